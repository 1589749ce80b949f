#   make depth        deep nets from random weights and from stacks

.PHONY: depth
LACKS_depth := $(filter-out RUNS,$(VALUES))

depth: .venv/installed
	@$(BIN)/python experiments/depth/depth.py $(RUNS)/depth --out $(RUNS)/depth

#   make landscape    energies of the memory of a net, and chains in it

.PHONY: landscape
LACKS_landscape := $(filter-out RUNS,$(VALUES))

landscape: .venv/installed
	@$(BIN)/python experiments/landscape/landscape.py --out $(RUNS)/landscape

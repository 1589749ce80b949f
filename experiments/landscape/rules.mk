#   make landscape    the energies of the memory of a net inside the package, and chains in it

.PHONY: landscape
LACKS_landscape := $(filter-out RUNS,$(VALUES))

landscape: .venv/installed
	@$(BIN)/python experiments/landscape/landscape.py --out $(RUNS)/landscape

#   make fields       extent, centres, components, lines of features

.PHONY: fields
LACKS_fields := $(EVERY)

fields: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/pretrain-%.h5)
	@$(BIN)/python experiments/fields/fields.py $(SPLITS:%=$(RUNS)/pretrain-%.h5) --out $(RUNS)/fields

#   make translated   with 12 translations of each image as well (0.65 %)

.PHONY: translated
LACKS_translated := $(EVERY)
.PRECIOUS: $(RUNS)/pretrain-translated-%.h5 $(RUNS)/bp-translated-%.h5

translated: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/bp-translated-%-extended.h5)
	@$(HINTON06) translated $(RUNS) --save $(RUNS)/translated

$(RUNS)/pretrain-translated-%.h5: | .venv/installed
	$(HINTON06) pretrain --translations 2 --split $* --out $@ $(START) $(GO_ON_2)

$(RUNS)/bp-translated-%.h5: $(RUNS)/pretrain-translated-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON_2)

$(ALL:%=$(RUNS)/bp-translated-%-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON_2)

#   make beyond       with dropout: plain, mixed, translated, few labels

# Of each split.
DROPPED = $(foreach s,$(SPLITS),$(RUNS)/bp-dropout-$s-extended.h5 \
	$(RUNS)/hybrid-dropout-$s-extended.h5 $(RUNS)/bp-dropout-translated-$s-extended.h5 \
	$(foreach n,100 1000 10000,$(RUNS)/bp-dropout-$s-$n-labelled.h5))

.PHONY: beyond
LACKS_beyond := $(EVERY)
.PRECIOUS: $(RUNS)/bp-dropout-%.h5 $(RUNS)/hybrid-dropout-%.h5

beyond: .venv/installed
	$(PARALLEL) $(DROPPED)
	@$(HINTON06) dropout $(RUNS) --save $(RUNS)/beyond

$(RUNS)/bp-dropout-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-extended.h5: $(RUNS)/bp-dropout-%.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-100-labelled.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --labelled 100 $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-1000-labelled.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --labelled 1000 $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-10000-labelled.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --labelled 10000 $< --out $@ $(GO_ON)

$(RUNS)/hybrid-dropout-%.h5: $(RUNS)/cws-%.h5
	$(HINTON06) finetune-cws --search-bp-weight --dropout $< --out $@ $(GO_ON_2)

$(ALL:%=$(RUNS)/hybrid-dropout-%-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-cws --extend $< --out $@ $(GO_ON_2)

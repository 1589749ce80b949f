#   make virtual      virtual adversarial training with 100 and 1,000 labels

.PHONY: virtual
LACKS_virtual := $(EVERY)
.PRECIOUS: $(RUNS)/bp-virtual-%-100-labelled.h5 $(RUNS)/bp-virtual-%-1000-labelled.h5
VIRTUAL = $(HINTON06) finetune-bp --dropout --virtual 2 $< --out $@ $(GO_ON) --labelled

virtual: .venv/installed
	$(PARALLEL) $(foreach s,$(SPLITS),$(foreach n,100 1000,$(RUNS)/bp-virtual-$s-$n-labelled.h5))
	@$(HINTON06) dropout $(RUNS) --save $(RUNS)/virtual

$(RUNS)/bp-virtual-%-100-labelled.h5: $(RUNS)/pretrain-%.h5
	$(VIRTUAL) 100

$(RUNS)/bp-virtual-%-1000-labelled.h5: $(RUNS)/pretrain-%.h5
	$(VIRTUAL) 1000

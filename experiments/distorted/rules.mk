#   make distorted    with dropout, affine and elastic distortions of each image

.PHONY: distorted
LACKS_distorted := $(EVERY)
.PRECIOUS: $(RUNS)/bp-dropout-%-distorted.h5

distorted: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/bp-dropout-%-distorted-extended.h5)
	@$(HINTON06) dropout $(RUNS) --save $(RUNS)/distorted

$(ALL:%=$(RUNS)/bp-dropout-%-distorted.h5): $(RUNS)/bp-dropout-%-distorted.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --affine 1.5 --elastic 1.5 $< --out $@ $(GO_ON)

$(ALL:%=$(RUNS)/bp-dropout-%-distorted-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

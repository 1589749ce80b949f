#   make adversarial  dropout and adversarial training, of all splits named

.PHONY: adversarial
LACKS_adversarial := $(EVERY)
.PRECIOUS: $(RUNS)/bp-adversarial-%.h5

adversarial: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/bp-adversarial-%-extended.h5)
	@$(HINTON06) dropout $(RUNS) --save $(RUNS)/adversarial

$(RUNS)/bp-adversarial-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --adversarial 1 $< --out $@ $(GO_ON)

$(RUNS)/bp-adversarial-%-extended.h5: $(RUNS)/bp-adversarial-%.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

#   make neighbours   adversarial training of images between near ones

.PHONY: neighbours
LACKS_neighbours := $(EVERY)
.PRECIOUS: $(RUNS)/bp-adversarial-neighbours-%.h5

neighbours: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/bp-adversarial-neighbours-%-extended.h5)
	@$(HINTON06) dropout $(RUNS) --save $(RUNS)/neighbours

$(RUNS)/bp-adversarial-neighbours-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --adversarial 1 --neighbours 10 $< --out $@ $(GO_ON)

$(RUNS)/bp-adversarial-neighbours-%-extended.h5: $(RUNS)/bp-adversarial-neighbours-%.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

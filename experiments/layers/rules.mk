#   make layers       what the features of each layer are worth to a softmax

LAYERED = $(RUNS)/layers
BELOW   = 500 500-500
# The stacks, and nets of one, two and three layers above them and without.
MEASURED = $(foreach s,$(SPLITS),$(RUNS)/pretrain-$s.h5 $(RUNS)/bp-$s.h5 $(LAYERED)/bp-gentle-$s.h5 \
	$(foreach n,$(BELOW),$(LAYERED)/bp-$n-$s.h5) \
	$(foreach n,$(BELOW) 500-500-2000,$(LAYERED)/bp-random-$n-$s.h5))

.PHONY: layers
LACKS_layers := $(EVERY)
.PRECIOUS: $(foreach n,$(BELOW),$(LAYERED)/pretrain-$n-%.h5)

layers: .venv/installed
	$(PARALLEL) $(MEASURED)
	@$(BIN)/python experiments/layers/layers.py $(MEASURED) --out $(LAYERED)

$(LAYERED)/pretrain-500-500-%.h5: | .venv/installed
	$(HINTON06) pretrain --split $* --layers 500-500 --out $@ $(START)

$(LAYERED)/pretrain-500-%.h5: | .venv/installed
	$(HINTON06) pretrain --split $* --layers 500 --out $@ $(START)

# "a very small learning rate"
$(LAYERED)/bp-gentle-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --rate 0.02 $< --out $@ $(GO_ON)

$(LAYERED)/bp-random-500-500-2000-%.h5: | .venv/installed
	$(HINTON06) finetune-bp --no-pretraining --split $* --out $@ $(START)

$(LAYERED)/bp-random-500-500-%.h5: | .venv/installed
	$(HINTON06) finetune-bp --no-pretraining --split $* --layers 500-500 --out $@ $(START)

$(LAYERED)/bp-random-500-%.h5: | .venv/installed
	$(HINTON06) finetune-bp --no-pretraining --split $* --layers 500 --out $@ $(START)

$(foreach n,$(BELOW),$(foreach s,$(ALL),$(LAYERED)/bp-$n-$s.h5)): $(LAYERED)/bp-%.h5: $(LAYERED)/pretrain-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON)

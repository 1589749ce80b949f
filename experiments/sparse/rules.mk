#   make sparse       features that rarely turn on: fingerprints, log p

SPARSE = $(RUNS)/sparse
# Without and with sparsity, in turn.
STACKS = $(foreach split,$(SPLITS),$(RUNS)/pretrain-$(split).h5 $(SPARSE)/pretrain-sparse-$(split).h5)
TUNED  = $(foreach split,$(SPLITS),$(RUNS)/bp-$(split).h5 $(SPARSE)/bp-sparse-$(split).h5)

.PHONY: sparse
LACKS_sparse := $(EVERY)
.PRECIOUS: $(SPARSE)/pretrain-sparse-%.h5 $(SPARSE)/bp-sparse-%.h5

sparse: .venv/installed
	$(PARALLEL) $(TUNED)
	@$(HINTON06) fingerprints $(STACKS) --save $(SPARSE)/fingerprints --threads 1
	@$(HINTON06) evaluate $(TUNED) --save $(SPARSE)/errors --threads 1
	@$(HINTON06) figures $(STACKS) --only 3 --out $(SPARSE)/figures --threads 1
	@$(HINTON06) likelihood $(STACKS) --save $(SPARSE)/likelihood --threads $(or $(THREADS),1)

# The target is the recipe's.
$(SPARSE)/pretrain-sparse-%.h5: | .venv/installed
	$(HINTON06) pretrain --sparsity-cost 0.1 --split $* --out $@ $(START)

$(SPARSE)/bp-sparse-%.h5: $(SPARSE)/pretrain-sparse-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON)

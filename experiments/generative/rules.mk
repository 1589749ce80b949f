#   make cws          contrastive wake-sleep, on the stacks of table1
#   make hybrid       the mixed gradient after it

.PHONY: cws hybrid
LACKS_cws    := $(EVERY)
LACKS_hybrid := $(EVERY)
.PRECIOUS: $(RUNS)/pretrain-labels-%.h5 $(RUNS)/cws-%.h5 $(RUNS)/hybrid-%.h5

cws: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/cws-%-extended.h5)
	@$(HINTON06) generative $(RUNS) --save $(RUNS)/generative

# After cws, and not beside it: a single net has both cores.
hybrid: cws
	$(PARALLEL) $(SPLITS:%=$(RUNS)/hybrid-%-extended.h5)
	@$(HINTON06) generative $(RUNS) --save $(RUNS)/generative

# The layers below the labels are those of the stack without them.
$(RUNS)/pretrain-labels-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) pretrain --labels --split $* --on $< --out $@ $(GO_ON_2)

$(RUNS)/cws-%.h5: $(RUNS)/pretrain-labels-%.h5
	$(HINTON06) finetune-cws $< --out $@ $(GO_ON_2)

$(RUNS)/hybrid-%.h5: $(RUNS)/cws-%.h5
	$(HINTON06) finetune-cws --search-bp-weight $< --out $@ $(GO_ON_2)

$(foreach n,cws hybrid,$(ALL:%=$(RUNS)/$n-%-extended.h5)): %-extended.h5: %.h5
	$(HINTON06) finetune-cws --extend $< --out $@ $(GO_ON_2)

#   make heard        digits heard and seen: spectrograms as labels

# Greedily by the chapter's own rule, by ours, and fine-tuned.
HEARD = $(foreach name,plain-a greedy-a a,$(RUNS)/pairs-$(name).h5)

.PHONY: heard
LACKS_heard := $(EVERY) SPLITS
.PRECIOUS: $(foreach name,pretrain-spoken bp-spoken pairs-plain pairs-greedy pairs,$(RUNS)/$(name)-a.h5)

heard: .venv/installed
	$(PARALLEL) $(HEARD) $(RUNS)/bp-spoken-a.h5 $(RUNS)/bp-a.h5
	@$(HINTON06) heard $(HEARD) --reader $(RUNS)/bp-a.h5 \
		--second-reader $(RUNS)/bp-spoken-a.h5 --out $(RUNS)/heard --save $(RUNS)/heard --threads 1

$(RUNS)/pretrain-spoken-a.h5: | .venv/installed
	$(HINTON06) pretrain --split a --data spoken --layers 500-500 --updates 5000 --out $@ $(GO_ON) \
		--seed $(SEED) --recipe $(RECIPE)

$(RUNS)/bp-spoken-a.h5: $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON)

$(RUNS)/pairs-a.h5: $(RUNS)/pretrain-a.h5 $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-pairs $(filter %.h5,$^) --out $@ $(GO_ON)

$(RUNS)/pairs-greedy-a.h5: $(RUNS)/pretrain-a.h5 $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-pairs $(filter %.h5,$^) --epochs 0 --out $@ $(GO_ON)

$(RUNS)/pairs-plain-a.h5: $(RUNS)/pretrain-a.h5 $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-pairs $(filter %.h5,$^) --exchanged-share 0 --epochs 0 --out $@ $(GO_ON)

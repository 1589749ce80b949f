#   make compare      support vectors, distorted images, random starts

COMPARED    = $(RUNS)/compare
COMPARING   = $(addprefix $(COMPARED)/,svm/svm.json svm-deslanted/svm.json bp-a.h5 \
	bp-not-pretrained.h5 cg-not-pretrained.h5 bp-random-translated.h5 \
	$(foreach net,bp bp-800 bp-random,$(net)-affine.h5 $(net)-elastic.h5) bp-800.h5 bp-random.h5)
COMPARE     = --threads $(or $(THREADS),1) $(OF_DATA)
FROM_RANDOM = $(HINTON06) finetune-bp --no-pretraining --split a

.PHONY: compare
LACKS_compare := $(EVERY) SPLITS

compare: .venv/installed
	$(PARALLEL) $(COMPARING)
	@$(HINTON06) baselines $(COMPARED) --save $(COMPARED)

$(COMPARED)/svm/svm.json: | .venv/installed
	$(HINTON06) svm --translations 2 --save $(@D) $(COMPARE)

# The published machine with translations has deslanted images.
$(COMPARED)/svm-deslanted/svm.json: | .venv/installed
	$(HINTON06) svm --deslanted --translations 2 --save $(@D) $(COMPARE)

# Table 1's.
$(COMPARED)/bp-a.h5 $(COMPARED)/bp-not-pretrained.h5: $(COMPARED)/%: $(RUNS)/%
	@mkdir -p $(@D) && ln -sf ../$* $@

$(COMPARED)/cg-not-pretrained.h5: $(ALL:%=$(RUNS)/bp-%.h5)
	$(HINTON06) finetune-bp --no-pretraining $(filter %.h5,$^) --out $@ $(GO_ON) --recipe science06

$(COMPARED)/bp-affine.h5 $(COMPARED)/bp-elastic.h5: $(COMPARED)/bp-%.h5: $(RUNS)/pretrain-a.h5
	$(HINTON06) finetune-bp $< --$* 1.5 --out $@ $(GO_ON)

$(COMPARED)/bp-800.h5: | .venv/installed
	$(FROM_RANDOM) --layers 800 --out $@ $(START)

$(COMPARED)/bp-random.h5: | .venv/installed
	$(FROM_RANDOM) --out $@ $(START)

$(COMPARED)/bp-800-affine.h5 $(COMPARED)/bp-800-elastic.h5: $(COMPARED)/bp-800-%.h5: | .venv/installed
	$(FROM_RANDOM) --layers 800 --$* 1.5 --out $@ $(START)

$(COMPARED)/bp-random-affine.h5 $(COMPARED)/bp-random-elastic.h5: $(COMPARED)/bp-random-%.h5: \
		| .venv/installed
	$(FROM_RANDOM) --$* 1.5 --out $@ $(START)

$(COMPARED)/bp-random-translated.h5: | .venv/installed
	$(FROM_RANDOM) --translations 2 --out $@ $(START)

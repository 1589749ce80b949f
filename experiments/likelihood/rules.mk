#   make likelihood   log p of each layer, by CD-1, CD-25, persistent CD

LIKELY    = $(RUNS)/likelihood
SECOND    = $(foreach name,random transpose gentle,$(LIKELY)/$(name).h5)
ESTIMATED = $(foreach table,rbms centred layers wake-sleep,$(LIKELY)/$(table)/likelihood.json) $(LIKELY)/starts.json

.PHONY: likelihood
LACKS_likelihood := $(EVERY) SPLITS
.PRECIOUS: $(foreach name,cd-25 persistent centred centred-persistent random transpose gentle,$(LIKELY)/$(name).h5)

likelihood: .venv/installed
	$(PARALLEL) $(ESTIMATED) $(AS_RECORDED)

$(LIKELY)/cd-25.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500 --cd 25 --track 10 --out $@ $(START)

$(LIKELY)/persistent.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500 --persistent --track 10 --out $@ $(START)

$(LIKELY)/centred.h5 $(LIKELY)/centred-persistent.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500 --centred $(if $(findstring -p,$(@F)),--persistent) \
		--out $@ $(START)

# Above one first layer, two starts of the second; the one that the guarantee is of also at a rate
# at which it can be seen.
$(LIKELY)/random.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500-784 --persistent --track 5 --out $@ $(START)

$(LIKELY)/transpose.h5 $(LIKELY)/gentle.h5: $(LIKELY)/random.h5
	$(HINTON06) pretrain --split a --layers 500-784 --persistent --track 5 --start transpose --on $< \
		$(if $(findstring gentle,$(@F)),--rate 0.01) --out $@ $(GO_ON)

$(LIKELY)/starts.json: $(SECOND)
	$(BIN)/python experiments/likelihood/starts.py $^ --out $(@D)

$(LIKELY)/rbms/likelihood.json: $(RUNS)/pretrain-a.h5 $(LIKELY)/cd-25.h5 $(LIKELY)/persistent.h5
	$(HINTON06) likelihood $^ --layer 1 --save $(@D) --threads $(or $(THREADS),1)

$(LIKELY)/centred/likelihood.json: $(LIKELY)/centred.h5 $(LIKELY)/centred-persistent.h5
	$(HINTON06) likelihood $^ --layer 1 --save $(@D) --threads $(or $(THREADS),1)

$(LIKELY)/layers/likelihood.json: $(RUNS)/pretrain-a.h5 $(SECOND)
	$(HINTON06) likelihood $^ --save $(@D) --threads $(or $(THREADS),1)

$(LIKELY)/wake-sleep/likelihood.json: $(RUNS)/pretrain-labels-a.h5 $(RUNS)/cws-a.h5
	$(HINTON06) likelihood $^ --layer 3 --temperatures 60000 --save $(@D) --threads $(or $(THREADS),1)

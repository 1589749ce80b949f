#   make wake-sleep   plain wake-sleep, from a stack and random weights

# From both starts.
WOKEN = $(SPLITS:%=$(RUNS)/ws-%.h5) $(SPLITS:%=$(RUNS)/ws-not-pretrained-%.h5)

.PHONY: wake-sleep
LACKS_wake-sleep := $(EVERY)
.PRECIOUS: $(RUNS)/ws-%.h5

# Of the package's images, beside the dreams of contrastive wake-sleep, of the net inside the package.
wake-sleep: .venv/installed
	$(PARALLEL) $(WOKEN)
	@$(HINTON06) wake-sleep $(RUNS) --save $(RUNS)/wake-sleep
	@$(HINTON06) likelihood $(WOKEN) --save $(RUNS)/wake-sleep --threads 1
	@$(HINTON06) figures $(WOKEN) $(if $(DATA),,digits) --only dreams --out $(RUNS)/wake-sleep --threads 1

$(RUNS)/ws-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-ws $< --out $@ $(GO_ON)

$(RUNS)/ws-not-pretrained-%.h5: | .venv/installed
	$(HINTON06) finetune-ws --no-pretraining --split $* --out $@ $(START)

#   make sharing      weight-sharing: nets of convolutions

.PHONY: sharing
LACKS_sharing := $(EVERY) RECIPE JOBS THREADS

sharing: .venv/installed
	@$(BIN)/python experiments/sharing/sharing.py --splits $(SPLITS) --seed $(SEED) \
		--out $(RUNS)/sharing $(OF_DATA)

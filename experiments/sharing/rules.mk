#   make sharing      weight-sharing, which the chapter compares with: nets of convolutions

.PHONY: sharing
LACKS_sharing := $(EVERY) SEED RECIPE JOBS THREADS

sharing: .venv/installed
	@$(BIN)/python experiments/sharing/sharing.py --splits $(SPLITS) --out $(RUNS)/sharing $(OF_DATA)

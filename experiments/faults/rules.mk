#   make torture      kills long commands, damages files, counts what is lost

.PHONY: torture
LACKS_torture := $(filter-out SEED,$(VALUES))

torture: .venv/installed
	rm -rf runs/torture runs/fuzz
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/torture.py runs/torture \
		--seed $(SEED) --record experiments/faults
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/fuzz.py runs/fuzz \
		--seed $(SEED) --record experiments/faults

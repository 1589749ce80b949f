#   make unlabelled   with few labels: pretrained or not

.PHONY: unlabelled
LACKS_unlabelled := $(EVERY)

# Stacks first, then the nets above them and those that have none.
unlabelled: .venv/installed
	@for part in stacks nets; do \
		plan=$$($(BIN)/python experiments/unlabelled/plan.py $$part $(RUNS)/unlabelled $(RECIPE) $(SPLITS)) \
			|| exit; \
		echo "$$plan" | xargs -r -P $(JOBS) -L 1 \
			sh -c '$(HINTON06) "$$@" $(START)' sh || exit; done
	@$(HINTON06) unlabelled $(RUNS)/unlabelled --save $(RUNS)/unlabelled/unlabelled

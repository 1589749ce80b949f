#   make strategies   five strategies: variances, and errors by cost

.PHONY: strategies
LACKS_strategies := $(EVERY) SPLITS JOBS

strategies: .venv/installed
	@$(HINTON06) strategies --out $(RUNS)/strategies/measured.h5 --save $(RUNS)/strategies $(START)

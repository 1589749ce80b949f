#   make demo         a page that recognises and dreams in a browser, of two nets

# The net that dreams, and the greedily learned one that it comes from.
SHOWN = $(RUNS)/cws-a.h5 $(RUNS)/pretrain-labels-a.h5

.PHONY: demo
LACKS_demo := $(EVERY) SPLITS

demo: .venv/installed
	$(PARALLEL) $(SHOWN) $(AS_RECORDED)
	@$(HINTON06) demo $(SHOWN) --out $(RUNS)/digits.html --threads 1

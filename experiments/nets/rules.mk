#   make nets-inside  the nets inside the package, from those of table1 and of cws

# The generative one.
DREAMER ?= $(RUNS)/cws-a.h5

.PHONY: nets-inside
LACKS_nets-inside := $(EVERY) SPLITS

nets-inside: .venv/installed
	$(PARALLEL) $(RUNS)/bp-a.h5 $(DREAMER) $(AS_RECORDED)
	$(BIN)/python experiments/nets/make.py --record experiments/nets \
		table1-a=$(RUNS)/bp-a.h5 digits=$(DREAMER)

# Reruns the chapter. Every target can be interrupted and goes on where it was.
#
#   make quick        all of Table 1 on all of MNIST with a short recipe, in minutes
#   make table1       all of Table 1: trains every net, prints the table
#   make replicas     that, or what EACH says, with every seed of SEEDS: how far its numbers move
#   make translated   with 12 translations of each image as well (0.65 %)
#   make unlabelled   with few labels: pretrained on images without any, and not pretrained
#   make cws          contrastive wake-sleep, on the stacks of table1
#   make hybrid       the mixed gradient after it
#   make likelihood   log p: RBMs by CD-1, CD-25 and persistent CD, each layer, before and after cws
#   make heard        digits heard and seen: spectrograms in the place of the labels
#   make figures      Figures 2, 3 and 5, and learning curves
#   make report       a page of all that table1, replicas and unlabelled have made so far
#   make nets-inside  the nets inside the package, from those of table1 and of cws
#   make demo         a page that recognises and dreams in a browser, of two nets
#   make test lint    the tests; types and style
#   make dist         the wheel and the sdist, and the tests once more from these alone
#   make torture      kills every long command and damages every file, and counts what is lost
#   make bench        how near to the bare matrix products each learner is
#   make clean        removes the environment and caches, never runs
#
# Each value below can be given: make table1 SEED=1, make cws SPLITS="a b c". What determines
# results beside them stands in the recipe (hinton06/recipes.py).

SEED   ?= 0
RECIPE ?= tr2006
# A folder of other IDX files; the MNIST files inside the package when empty.
DATA   ?=
RUNS   ?= runs/table1$(call of_seed,$(SEED))
# Of the replicas, each in a folder of its own, and what is made of each: nets (those of Table 1),
# cws, hybrid, translated or unlabelled.
SEEDS  ?= 0 1 2 3 4
EACH   ?= nets
# Splits that translated, unlabelled, cws and hybrid train nets of.
SPLITS ?= a
# The generative net inside the package.
DREAMER ?= $(RUNS)/cws-a.h5
# Processes at a time. Threads of each: unless given one, but two above a single stack, which could
# not use the second core otherwise.
JOBS    ?= 3
THREADS ?=
PYTHON  ?= python3

of_seed   = $(if $(filter-out 0,$(1)),-seed$(1))
# Where in a replica's folder its nets are.
OF_EACH   = $(if $(filter unlabelled,$(EACH)),/unlabelled)
BIN      := .venv/bin
HINTON06 := $(BIN)/hinton06
# What starts from a file takes seed, recipe and data from it.
GO_ON     = --plain --threads $(or $(THREADS),1)
GO_ON_2   = --plain --threads $(or $(THREADS),$(if $(word 2,$(SPLITS)),1,2))
START     = $(GO_ON) --seed $(SEED) --recipe $(RECIPE) $(if $(DATA),--data $(DATA))
PARALLEL  = @$(MAKE) --no-print-directory -j$(JOBS)
ALL      := a b c
NETS      = $(ALL:%=$(RUNS)/bp-%.h5) $(ALL:%=$(RUNS)/bp-%-extended.h5) $(RUNS)/bp-not-pretrained.h5
LIKELY    = $(RUNS)/likelihood
ESTIMATED = $(foreach table,rbms layers wake-sleep,$(LIKELY)/$(table)/likelihood.json) $(LIKELY)/starts.json
FIGURED   = $(RUNS)/pretrain-a.h5 $(RUNS)/bp-a.h5 $(RUNS)/cws-a.h5
# Greedily by the chapter's own rule, by ours, and fine-tuned.
HEARD     = $(foreach name,plain-a greedy-a a,$(RUNS)/pairs-$(name).h5)
# Folders of runs that are there.
REPORTED  = $(wildcard $(foreach seed,$(SEEDS),$(RUNS)$(call of_seed,$(seed))) $(RUNS)/unlabelled)
# The net that dreams, and the greedily learned one that it comes from.
SHOWN     = $(RUNS)/cws-a.h5 $(RUNS)/pretrain-labels-a.h5

.PHONY: table1 replicas quick nets translated unlabelled cws hybrid likelihood heard figures report \
	nets-inside demo test lint dist torture bench clean
# A finished file is complete: make must not remove it when it is interrupted.
.PRECIOUS: $(NETS) $(RUNS)/pretrain-%.h5 $(RUNS)/pretrain-labels-%.h5 $(RUNS)/cws-%.h5 \
	$(RUNS)/hybrid-%.h5 $(RUNS)/pretrain-translated-%.h5 $(RUNS)/bp-translated-%.h5 \
	$(foreach name,cd-25 persistent random transpose,$(LIKELY)/$(name).h5) \
	$(foreach name,pretrain-spoken bp-spoken pairs-plain pairs-greedy pairs,$(RUNS)/$(name)-a.h5)

table1: .venv/installed
	$(PARALLEL) nets
	@$(HINTON06) table1 $(RUNS) --save $(RUNS)/table1

quick: .venv/installed
	@$(MAKE) --no-print-directory table1 RECIPE=quick RUNS=runs/quick$(call of_seed,$(SEED))

replicas: .venv/installed
	$(PARALLEL) $(SEEDS:%=replica-%)
	@$(HINTON06) replicas $(foreach seed,$(SEEDS),$(RUNS)$(call of_seed,$(seed))$(OF_EACH)) \
		--save $(RUNS)/replicas

replica-%:
	@$(MAKE) --no-print-directory $(EACH) SEED=$* RUNS=$(RUNS)$(call of_seed,$*)

translated: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/bp-translated-%-extended.h5)
	@$(HINTON06) translated $(RUNS) --save $(RUNS)/translated

# Stacks first, then the nets above them and those that have none.
unlabelled: .venv/installed
	@for part in stacks nets; do \
		$(BIN)/python experiments/unlabelled/plan.py $$part $(RUNS)/unlabelled $(RECIPE) $(SPLITS) \
			| xargs -P $(JOBS) -L 1 sh -c '$(HINTON06) "$$@" $(START)' sh || exit 1; done
	@$(HINTON06) unlabelled $(RUNS)/unlabelled --save $(RUNS)/unlabelled/unlabelled

cws: .venv/installed
	$(PARALLEL) $(SPLITS:%=$(RUNS)/cws-%-extended.h5)
	@$(HINTON06) generative $(RUNS) --save $(RUNS)/generative

# After cws, and not beside it: a single net has both cores.
hybrid: cws
	$(PARALLEL) $(SPLITS:%=$(RUNS)/hybrid-%-extended.h5)
	@$(HINTON06) generative $(RUNS) --save $(RUNS)/generative

likelihood: .venv/installed
	$(PARALLEL) $(ESTIMATED)

heard: .venv/installed
	$(PARALLEL) $(HEARD) $(RUNS)/bp-spoken-a.h5 $(RUNS)/bp-a.h5
	@$(HINTON06) heard $(HEARD) --reader $(RUNS)/bp-a.h5 \
		--second-reader $(RUNS)/bp-spoken-a.h5 --out $(RUNS)/heard --save $(RUNS)/heard --threads 1

figures: .venv/installed
	$(PARALLEL) $(FIGURED)
	@$(HINTON06) figures $(FIGURED) --out $(RUNS)/figures --threads 1

report: .venv/installed
	@$(HINTON06) report $(or $(REPORTED),$(RUNS)) --out $(RUNS)/report.html --threads 1

nets-inside: $(RUNS)/bp-a.h5 $(DREAMER)
	$(BIN)/python experiments/nets/make.py --record experiments/nets \
		table1-a=$(RUNS)/bp-a.h5 digits=$(DREAMER)

demo: .venv/installed
	$(PARALLEL) $(SHOWN)
	@$(HINTON06) demo $(SHOWN) --out $(RUNS)/digits.html --threads 1

# The three nets side by side from the start: the last net needs the costs of all three.
nets: $(NETS)

$(ALL:%=$(RUNS)/pretrain-%.h5): $(RUNS)/pretrain-%.h5: | .venv/installed
	$(HINTON06) pretrain --split $* --out $@ $(START)

$(ALL:%=$(RUNS)/bp-%.h5): $(RUNS)/bp-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON)

$(RUNS)/bp-not-pretrained.h5: $(ALL:%=$(RUNS)/bp-%.h5)
	$(HINTON06) finetune-bp --no-pretraining $^ --out $@ $(GO_ON)

$(ALL:%=$(RUNS)/bp-%-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

$(RUNS)/pretrain-translated-%.h5: | .venv/installed
	$(HINTON06) pretrain --translations 2 --split $* --out $@ $(START) $(GO_ON_2)

$(RUNS)/bp-translated-%.h5: $(RUNS)/pretrain-translated-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON_2)

$(ALL:%=$(RUNS)/bp-translated-%-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON_2)

# The layers below the labels are those of the stack without them.
$(RUNS)/pretrain-labels-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) pretrain --labels --split $* --on $< --out $@ $(GO_ON_2)

$(RUNS)/cws-%.h5: $(RUNS)/pretrain-labels-%.h5
	$(HINTON06) finetune-cws $< --out $@ $(GO_ON_2)

$(RUNS)/hybrid-%.h5: $(RUNS)/cws-%.h5
	$(HINTON06) finetune-cws --search-bp-weight $< --out $@ $(GO_ON_2)

$(ALL:%=$(RUNS)/cws-%-extended.h5) $(ALL:%=$(RUNS)/hybrid-%-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-cws --extend $< --out $@ $(GO_ON_2)

$(RUNS)/pretrain-spoken-a.h5: | .venv/installed
	$(HINTON06) pretrain --split a --data spoken --layers 500-500 --updates 5000 --out $@ $(GO_ON) \
		--seed $(SEED) --recipe $(RECIPE)

$(RUNS)/bp-spoken-a.h5: $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON)

$(RUNS)/pairs-a.h5: $(RUNS)/pretrain-a.h5 $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-pairs $^ --out $@ $(GO_ON)

$(RUNS)/pairs-greedy-a.h5: $(RUNS)/pretrain-a.h5 $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-pairs $^ --epochs 0 --out $@ $(GO_ON)

$(RUNS)/pairs-plain-a.h5: $(RUNS)/pretrain-a.h5 $(RUNS)/pretrain-spoken-a.h5
	$(HINTON06) finetune-pairs $^ --exchanged-share 0 --epochs 0 --out $@ $(GO_ON)

$(LIKELY)/cd-25.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500 --cd 25 --track 10 --out $@ $(START)

$(LIKELY)/persistent.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500 --persistent --track 10 --out $@ $(START)

# Above one first layer, two starts of the second.
$(LIKELY)/random.h5: | .venv/installed
	$(HINTON06) pretrain --split a --layers 500-784 --persistent --track 5 --out $@ $(START)

$(LIKELY)/transpose.h5: $(LIKELY)/random.h5
	$(HINTON06) pretrain --split a --layers 500-784 --persistent --track 5 --start transpose --on $< \
		--out $@ $(GO_ON)

$(LIKELY)/starts.json: $(LIKELY)/random.h5 $(LIKELY)/transpose.h5
	$(BIN)/python experiments/likelihood/starts.py $^ --out $(@D)

$(LIKELY)/rbms/likelihood.json: $(RUNS)/pretrain-a.h5 $(LIKELY)/cd-25.h5 $(LIKELY)/persistent.h5
	$(HINTON06) likelihood $^ --layer 1 --save $(@D) --threads $(or $(THREADS),1)

$(LIKELY)/layers/likelihood.json: $(RUNS)/pretrain-a.h5 $(LIKELY)/random.h5 $(LIKELY)/transpose.h5
	$(HINTON06) likelihood $^ --save $(@D) --threads $(or $(THREADS),1)

$(LIKELY)/wake-sleep/likelihood.json: $(RUNS)/pretrain-labels-a.h5 $(RUNS)/cws-a.h5
	$(HINTON06) likelihood $^ --layer 3 --save $(@D) --threads $(or $(THREADS),1)

test: .venv/installed
	$(BIN)/python -m pytest --cov -n auto --maxprocesses 8 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

dist: .venv/installed
	PYTHON=$(BIN)/python sh tests/dist.sh

torture: .venv/installed
	rm -rf runs/torture runs/fuzz
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/torture.py runs/torture --record experiments/faults
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/fuzz.py runs/fuzz --record experiments/faults

bench: .venv/installed-bench
	$(BIN)/python experiments/speed/bench.py --record experiments/speed

# With ON_NODE (as on a cluster's nodes) what is installed stays, however old: nothing is fetched.
.venv/installed: $(if $(ON_NODE),,pyproject.toml hinton06/native.c)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

.venv/installed-bench: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +

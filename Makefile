# Reruns the chapter. Every target can be interrupted and goes on where it was.
#
#   make quick        all of Table 1 on all of MNIST with a short recipe, in minutes
#   make table1       all of Table 1: trains every net, prints the table
#   make replicas     that, or what EACH says, with every seed of SEEDS: how far its numbers move
#   make translated   with 12 translations of each image as well (0.65 %)
#   make beyond       better than the chapter, with dropout: plain, mixed, translated, few labels
#   make unlabelled   with few labels: pretrained on images without any, and not pretrained
#   make cws          contrastive wake-sleep, on the stacks of table1
#   make hybrid       the mixed gradient after it
#   make wake-sleep   plain wake-sleep, from a stack of table1 and from random weights
#   make compare      what the chapter compares with: support vectors, distorted images, random starts
#   make likelihood   log p: RBMs by CD-1, CD-25 and persistent CD, each layer, before and after cws
#   make heard        digits heard and seen: spectrograms in the place of the labels
#   make strategies   five strategies for learning features, variances and errors by cost
#   make sparse       features that rarely turn on: fingerprints, Figure 3, errors, log p
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
# cws, hybrid, translated, unlabelled or beyond.
SEEDS  ?= 0 1 2 3 4
EACH   ?= nets
# Splits that translated, unlabelled, cws, hybrid, wake-sleep and beyond train nets of.
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
FROM_RANDOM = $(HINTON06) finetune-bp --no-pretraining --split a
COMPARE   = --threads $(or $(THREADS),1) $(if $(DATA),--data $(DATA))
PARALLEL  = @$(MAKE) --no-print-directory -j$(JOBS)
ALL      := a b c
NETS      = $(ALL:%=$(RUNS)/bp-%.h5) $(ALL:%=$(RUNS)/bp-%-extended.h5) $(RUNS)/bp-not-pretrained.h5
COMPARED  = $(RUNS)/compare
COMPARING = $(addprefix $(COMPARED)/,svm/svm.json svm-deslanted/svm.json bp-a.h5 \
	bp-not-pretrained.h5 cg-not-pretrained.h5 bp-random-translated.h5 \
	$(foreach net,bp bp-800 bp-random,$(net)-affine.h5 $(net)-elastic.h5) bp-800.h5 bp-random.h5)
LIKELY    = $(RUNS)/likelihood
ESTIMATED = $(foreach table,rbms layers wake-sleep,$(LIKELY)/$(table)/likelihood.json) $(LIKELY)/starts.json
SPARSE    = $(RUNS)/sparse
# Without and with sparsity, in turn.
STACKS    = $(foreach split,$(SPLITS),$(RUNS)/pretrain-$(split).h5 $(SPARSE)/pretrain-sparse-$(split).h5)
TUNED     = $(foreach split,$(SPLITS),$(RUNS)/bp-$(split).h5 $(SPARSE)/bp-sparse-$(split).h5)
FIGURED   = $(RUNS)/pretrain-a.h5 $(RUNS)/bp-a.h5 $(RUNS)/cws-a.h5
# Greedily by the chapter's own rule, by ours, and fine-tuned.
HEARD     = $(foreach name,plain-a greedy-a a,$(RUNS)/pairs-$(name).h5)
# With dropout, of each split.
DROPPED   = $(foreach s,$(SPLITS),$(RUNS)/bp-dropout-$s-extended.h5 \
	$(RUNS)/hybrid-dropout-$s-extended.h5 $(RUNS)/bp-dropout-translated-$s-extended.h5 \
	$(foreach n,100 1000 10000,$(RUNS)/bp-dropout-$s-$n-labelled.h5))
# Folders of runs that are there.
REPORTED  = $(wildcard $(foreach seed,$(SEEDS),$(RUNS)$(call of_seed,$(seed))) $(RUNS)/unlabelled)
# Of plain wake-sleep, from both starts.
WOKEN     = $(SPLITS:%=$(RUNS)/ws-%.h5) $(SPLITS:%=$(RUNS)/ws-not-pretrained-%.h5)
# The net that dreams, and the greedily learned one that it comes from.
SHOWN     = $(RUNS)/cws-a.h5 $(RUNS)/pretrain-labels-a.h5

.PHONY: table1 replicas quick nets translated beyond unlabelled cws hybrid wake-sleep compare \
	likelihood strategies sparse heard figures report nets-inside demo test lint dist torture bench clean
# A finished file is complete: make must not remove it when it is interrupted.
.PRECIOUS: $(NETS) $(RUNS)/pretrain-%.h5 $(RUNS)/pretrain-labels-%.h5 $(RUNS)/cws-%.h5 \
	$(RUNS)/hybrid-%.h5 $(RUNS)/ws-%.h5 $(RUNS)/pretrain-translated-%.h5 \
	$(RUNS)/bp-translated-%.h5 $(RUNS)/bp-dropout-%.h5 $(RUNS)/hybrid-dropout-%.h5 \
	$(foreach name,cd-25 persistent random transpose,$(LIKELY)/$(name).h5) \
	$(SPARSE)/pretrain-sparse-%.h5 $(SPARSE)/bp-sparse-%.h5 \
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

beyond: .venv/installed
	$(PARALLEL) $(DROPPED)
	@$(HINTON06) dropout $(RUNS) --save $(RUNS)/beyond

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

compare: .venv/installed
	$(PARALLEL) $(COMPARING)
	@$(HINTON06) baselines $(COMPARED) --save $(COMPARED)

# Beside the dreams of contrastive wake-sleep, of the net inside the package.
wake-sleep: .venv/installed
	$(PARALLEL) $(WOKEN)
	@$(HINTON06) wake-sleep $(RUNS) --save $(RUNS)/wake-sleep
	@$(HINTON06) likelihood $(WOKEN) --save $(RUNS)/wake-sleep --threads 1
	@$(HINTON06) figures $(WOKEN) digits --only dreams --out $(RUNS)/wake-sleep --threads 1

likelihood: .venv/installed
	$(PARALLEL) $(ESTIMATED)

heard: .venv/installed
	$(PARALLEL) $(HEARD) $(RUNS)/bp-spoken-a.h5 $(RUNS)/bp-a.h5
	@$(HINTON06) heard $(HEARD) --reader $(RUNS)/bp-a.h5 \
		--second-reader $(RUNS)/bp-spoken-a.h5 --out $(RUNS)/heard --save $(RUNS)/heard --threads 1

strategies: .venv/installed
	@$(HINTON06) strategies --out $(RUNS)/strategies/measured.h5 --save $(RUNS)/strategies $(START)

sparse: .venv/installed
	$(PARALLEL) $(TUNED)
	@$(HINTON06) fingerprints $(STACKS) --save $(SPARSE)/fingerprints --threads 1
	@$(HINTON06) evaluate $(TUNED) --save $(SPARSE)/errors --threads 1
	@$(HINTON06) figures $(STACKS) --only 3 --out $(SPARSE)/figures --threads 1
	@$(HINTON06) likelihood $(STACKS) --save $(SPARSE)/likelihood --threads $(or $(THREADS),1)

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

# The target is the recipe's.
$(SPARSE)/pretrain-sparse-%.h5: | .venv/installed
	$(HINTON06) pretrain --sparsity-cost 0.1 --split $* --out $@ $(START)

$(SPARSE)/bp-sparse-%.h5: $(SPARSE)/pretrain-sparse-%.h5
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

$(RUNS)/bp-dropout-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-extended.h5: $(RUNS)/bp-dropout-%.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-100-labelled.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --labelled 100 $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-1000-labelled.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --labelled 1000 $< --out $@ $(GO_ON)

$(RUNS)/bp-dropout-%-10000-labelled.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp --dropout --labelled 10000 $< --out $@ $(GO_ON)

$(RUNS)/hybrid-dropout-%.h5: $(RUNS)/cws-%.h5
	$(HINTON06) finetune-cws --search-bp-weight --dropout $< --out $@ $(GO_ON_2)

# The layers below the labels are those of the stack without them.
$(RUNS)/pretrain-labels-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) pretrain --labels --split $* --on $< --out $@ $(GO_ON_2)

$(RUNS)/cws-%.h5: $(RUNS)/pretrain-labels-%.h5
	$(HINTON06) finetune-cws $< --out $@ $(GO_ON_2)

$(RUNS)/ws-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-ws $< --out $@ $(GO_ON)

$(RUNS)/ws-not-pretrained-%.h5: | .venv/installed
	$(HINTON06) finetune-ws --no-pretraining --split $* --out $@ $(START)

$(RUNS)/hybrid-%.h5: $(RUNS)/cws-%.h5
	$(HINTON06) finetune-cws --search-bp-weight $< --out $@ $(GO_ON_2)

$(foreach n,cws hybrid hybrid-dropout,$(ALL:%=$(RUNS)/$n-%-extended.h5)): %-extended.h5: %.h5
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

$(COMPARED)/svm/svm.json: | .venv/installed
	$(HINTON06) svm --translations 2 --save $(@D) $(COMPARE)

# The published machine with translations has deslanted images.
$(COMPARED)/svm-deslanted/svm.json: | .venv/installed
	$(HINTON06) svm --deslanted --translations 2 --save $(@D) $(COMPARE)

# Table 1's.
$(COMPARED)/bp-a.h5 $(COMPARED)/bp-not-pretrained.h5: $(COMPARED)/%: $(RUNS)/%
	@mkdir -p $(@D) && ln -sf ../$* $@

$(COMPARED)/cg-not-pretrained.h5: $(ALL:%=$(RUNS)/bp-%.h5)
	$(HINTON06) finetune-bp --no-pretraining $^ --recipe science06 --out $@ $(GO_ON)

$(COMPARED)/bp-affine.h5 $(COMPARED)/bp-elastic.h5: $(COMPARED)/bp-%.h5: $(RUNS)/pretrain-a.h5
	$(HINTON06) finetune-bp $< --$* 1.5 --out $@ $(GO_ON)

$(COMPARED)/bp-800.h5: | .venv/installed
	$(FROM_RANDOM) --layers 800 --out $@ $(START)

$(COMPARED)/bp-random.h5: | .venv/installed
	$(FROM_RANDOM) --out $@ $(START)

$(COMPARED)/bp-800-affine.h5 $(COMPARED)/bp-800-elastic.h5: $(COMPARED)/bp-800-%.h5: | .venv/installed
	$(FROM_RANDOM) --layers 800 --$* 1.5 --out $@ $(START)

$(COMPARED)/bp-random-affine.h5 $(COMPARED)/bp-random-elastic.h5: $(COMPARED)/bp-random-%.h5: \
		| .venv/installed
	$(FROM_RANDOM) --$* 1.5 --out $@ $(START)

$(COMPARED)/bp-random-translated.h5: | .venv/installed
	$(FROM_RANDOM) --translations 2 --out $@ $(START)

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

# Reruns the chapter. Every target can be interrupted and goes on where it was.
#
#   make quick        all of Table 1 with a short recipe, in minutes
#   make table1       all of Table 1: trains every net, prints the table
#   make replicas     what EACH says, with every seed of SEEDS
#   make figures      Figures 2, 3 and 5, and learning curves
#   make report       a page of what table1, replicas, unlabelled have made
#   make test lint    the tests; types and style
#   make dist         wheel, sdist; their tests with the oldest versions
#   make clean        removes the environment and caches, never runs
#   make help         these, and every other experiment
#
# Each value below can be given: make table1 SEED=1, make cws SPLITS="a b c". What determines
# results beside them stands in the recipe (hinton06/recipes.py).

SEED   ?= 0
RECIPE ?= tr2006
# A folder of other IDX files; the MNIST files inside the package when empty.
DATA   ?=
RUNS   ?= runs/table1$(call of_seed,$(SEED))
# Of the replicas, each in a folder of its own, and what is made of each: nets (those of Table 1),
# cws, hybrid, translated, unlabelled, beyond, adversarial, neighbours, virtual or distorted.
SEEDS  ?= 0 1 2 3 4
EACH   ?= nets
# Splits that the experiments beside Table 1 train nets of.
SPLITS ?= a
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
# What starts from a file takes data from it, and seed and recipe where they are not given.
given     = $(if $(filter-out file,$(origin $(1))),$(2) $($(1)))
AS_GIVEN  = $(call given,SEED,--seed) $(call given,RECIPE,--recipe)
OF_DATA   = $(if $(DATA),--data $(DATA))
GO_ON     = --plain --threads $(or $(THREADS),1) $(AS_GIVEN)
GO_ON_2   = --plain --threads $(or $(THREADS),$(if $(word 2,$(SPLITS)),1,2)) $(AS_GIVEN)
START     = --plain --threads $(or $(THREADS),1) --seed $(SEED) --recipe $(RECIPE) $(OF_DATA)
# Under a make that shares out its jobs these are all there are.
PARALLEL  = +@$(MAKE) --no-print-directory $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j$(JOBS))
# The recorded nets of wake-sleep have one thread each, and what is made of them is of the same nets.
AS_RECORDED = THREADS=$(or $(THREADS),1)
ALL      := a b c
NETS      = $(ALL:%=$(RUNS)/bp-%.h5) $(ALL:%=$(RUNS)/bp-%-extended.h5) $(RUNS)/bp-not-pretrained.h5
FIGURED   = $(RUNS)/pretrain-a.h5 $(RUNS)/bp-a.h5 $(RUNS)/cws-a.h5
# Folders of runs that are there.
REPORTED  = $(wildcard $(foreach seed,$(SEEDS),$(RUNS)$(call of_seed,$(seed))) $(RUNS)/unlabelled)

# Values that a goal does not take: of those here, and in each rules.mk of its own.
VALUES   := SEED RECIPE DATA RUNS SEEDS EACH SPLITS JOBS THREADS
EVERY    := SEEDS EACH
LACKS_table1  := $(EVERY) SPLITS
LACKS_quick   := $(EVERY) SPLITS RECIPE RUNS
LACKS_nets    := $(EVERY) SPLITS
LACKS_figures := $(EVERY) SPLITS
LACKS_report  := RECIPE DATA EACH SPLITS JOBS THREADS
LACKS_test    := $(VALUES)
LACKS_lint    := $(VALUES)
LACKS_dist    := $(VALUES)
LACKS_clean   := $(VALUES)
LACKS_help    := $(VALUES)
LACKS_replicas = $(filter-out $(EVERY),$(LACKS_$(EACH)))
LACKS_replica  = SEED SEEDS $(LACKS_replicas)

KINDS    := nets cws hybrid translated unlabelled beyond adversarial neighbours virtual distorted

# Typing mistakes, before anything is learned.
$(if $(filter-out $(ALL),$(or $(SPLITS),none)),$(error SPLITS="$(SPLITS)": some of $(ALL)))
$(if $(filter-out $(KINDS),$(or $(EACH),none)),$(error EACH="$(EACH)": one of $(KINDS)))
# What is no number of a few words, of which there is at least one.
NO_NUMBER = $(strip $(subst 0,,$(subst 1,,$(subst 2,,$(subst 3,,$(subst 4,,$(subst 5,,$(subst 6,,\
	$(subst 7,,$(subst 8,,$(subst 9,,$(or $(strip $(1)),none))))))))))) $(filter-out 0,$(filter 0%,$(1))))
$(if $(call NO_NUMBER,$(SEED))$(word 2,$(SEED)),$(error SEED="$(SEED)": a number, 0 or more))
$(if $(call NO_NUMBER,$(SEEDS)),$(error SEEDS="$(SEEDS)": numbers, 0 or more))
$(if $(call NO_NUMBER,$(JOBS))$(filter 0,$(JOBS))$(word 2,$(JOBS)),\
	$(error JOBS="$(JOBS)": a number, 1 or more))
$(if $(THREADS),$(if $(call NO_NUMBER,$(THREADS))$(filter 0,$(THREADS))$(word 2,$(THREADS)),\
	$(error THREADS="$(THREADS)": a number, 1 or more)))
# What make or a shell would take for something else than a part of a name.
NO_NAME := : ; % ~ \# \ & | < > ( ) [ ] { } * ? ! ' " `
$(if $(filter-out 1,$(words $(RUNS)))$(strip $(foreach c,$(NO_NAME),$(findstring $c,$(RUNS)))),\
	$(error RUNS="$(RUNS)": a folder, without spaces, colons and the like in its name))
$(if $(filter replicas,$(MAKECMDGOALS)),$(if $(call given,SEED,is),\
	$(error SEED=$(SEED): replicas has SEEDS, as in SEEDS="$(SEED)")))

.PHONY: table1 quick replicas nets figures report test lint dist clean help force
# A finished file is complete: make must not remove it when it is interrupted.
.PRECIOUS: $(NETS) $(RUNS)/pretrain-%.h5

table1: .venv/installed
	$(PARALLEL) nets
	@$(HINTON06) table1 $(RUNS) --save $(RUNS)/table1

quick: .venv/installed
	@$(MAKE) --no-print-directory table1 RECIPE=quick RUNS=runs/quick$(call of_seed,$(SEED))

# Several replicas share the jobs; what starts processes without make has one in each.
replicas: .venv/installed
	$(PARALLEL) $(SEEDS:%=replica-%) $(if $(word 2,$(SEEDS)),JOBS=1)
	@$(HINTON06) replicas $(foreach seed,$(SEEDS),$(RUNS)$(call of_seed,$(seed))$(OF_EACH)) \
		--save $(RUNS)/replicas

replica-%:
	@$(MAKE) --no-print-directory $(EACH) SEED=$* RUNS=$(RUNS)$(call of_seed,$*)

figures: .venv/installed
	$(PARALLEL) $(FIGURED) $(AS_RECORDED)
	@$(HINTON06) figures $(FIGURED) --out $(RUNS)/figures --threads 1

report: .venv/installed
	@$(HINTON06) report $(or $(REPORTED),$(RUNS)) --out $(RUNS)/report.html --threads 1

# The three nets side by side from the start: the last net needs the costs of all three.
nets: $(NETS)

$(ALL:%=$(RUNS)/pretrain-%.h5): $(RUNS)/pretrain-%.h5: | .venv/installed
	$(HINTON06) pretrain --split $* --out $@ $(START)

$(ALL:%=$(RUNS)/bp-%.h5): $(RUNS)/bp-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GO_ON)

$(RUNS)/bp-not-pretrained.h5: $(ALL:%=$(RUNS)/bp-%.h5)
	$(HINTON06) finetune-bp --no-pretraining $(filter %.h5,$^) --out $@ $(GO_ON)

$(ALL:%=$(RUNS)/bp-%-extended.h5): %-extended.h5: %.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GO_ON)

# Seed and recipe that are given are held against those of finished files too: hinton06 refuses what
# does not fit. Not of stacks, which may be another recipe's.
STACKED   = $(wildcard $(RUNS)/pretrain* $(RUNS)/*/pretrain*)
FINISHED  = $(filter-out $(STACKED),$(wildcard $(RUNS)/*.h5 $(RUNS)/*/*.h5))
$(if $(strip $(AS_GIVEN)),$(FINISHED)): force
force:

include $(wildcard experiments/*/rules.mk)

# A value on the command line that nothing takes is a mistake. A make that this one starts is given
# the values of all.
ASKED   = $(or $(MAKECMDGOALS),table1)
KIND    = $(if $(filter replica-%,$(1)),replica,$(1))
TAKEN   = $(strip $(foreach goal,$(ASKED),$(if $(filter $(1),$(LACKS_$(call KIND,$(goal)))),,$(goal))))
GIVEN   = $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
OTHERS := PYTHON DREAMER BIN HINTON06 ON_NODE CC CFLAGS CPPFLAGS LDFLAGS
ifeq ($(MAKELEVEL),0)
$(foreach v,$(filter $(VALUES),$(GIVEN)),$(if $(call TAKEN,$v),,\
	$(error $v="$($v)": says nothing to $(ASKED))))
$(foreach v,$(filter-out $(VALUES) $(OTHERS),$(GIVEN)),\
	$(error $v="$($v)": the values are $(VALUES); for the environment, put it before make))
endif

test: .venv/installed
	$(BIN)/python -m pytest --cov -n auto --maxprocesses 8 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

dist: .venv/installed
	PYTHON=$(BIN)/python sh tests/dist.sh

# With ON_NODE (as on a cluster's nodes) what is installed stays, however old: nothing is fetched.
.venv/installed: $(if $(ON_NODE),,pyproject.toml hinton06/native.c)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +

help:
	@sed -n 's/^#   make/make/p' $(MAKEFILE_LIST)

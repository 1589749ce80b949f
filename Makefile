# Reruns the chapter. Every target can be interrupted and goes on where it was.
#
#   make table1          all of Table 1: trains every net, prints the table
#   make table1 SEED=1   another replica, in a folder of its own
#   make replicas        Table 1 with every seed of SEEDS, and how far its numbers move
#   make quick           the same on all of MNIST with a short recipe, in minutes
#   make translated      with 12 translations of each image as well (0.65 %)
#   make unlabelled      with few labels: pretrained on images without any, and not pretrained
#   make cws             contrastive wake-sleep, on the stacks of table1
#   make cws SPLITS="a b c"   of three nets, one thread each
#   make hybrid          the mixed gradient after it
#   make figures         Figures 2, 3 and 5, and learning curves
#   make test lint       the tests; types and style
#   make torture         kills every long command and damages every file, and counts what is lost
#   make bench           how near to the bare matrix products each learner is, and PyTorch and
#                        scikit-learn beside it; on a quiet machine about ten minutes
#   make clean           removes the environment and caches, never runs

SEED   ?= 0
RECIPE ?= tr2006
of_seed = $(if $(filter-out 0,$(1)),-seed$(1))
RUNS   ?= runs/table1$(call of_seed,$(SEED))
# Of the replicas, each in a folder of its own, as by SEED.
SEEDS  ?= 0 1 2 3 4
# Processes at a time, of one thread each unless THREADS says otherwise. The three nets are
# trained side by side from the start, so that the last net, which needs all three costs, starts
# as early as it can.
JOBS   ?= 3
# Threads of each process. Unless it is given, one; two in these three while a single net is
# trained, which could not use the second core otherwise.
THREADS ?=
# Splits that translated, unlabelled, cws and hybrid train nets of.
SPLITS ?= a
# The RBM that learns labels takes the passes of Hinton, Osindero and Teh (2006), and starts from
# smaller weights: by validation errors.
LABELS ?= --passes 30 --initial-sd 0.01
# Beside backpropagation fewer rounds of Gibbs sampling do as well, in less time.
MIXED  ?= --epochs 60 --gibbs 3
# With 13 versions of each image, eight passes make as many updates as a hundred without.
MOVED  ?= --translations 2 --passes 8 --early-epochs 1
# An easy case is met again after 13 times as many updates: at Table 1's rates it comes as a shock.
MOVED_RATE     ?= --rate 0.05
MOVED_ALL_RATE ?= --all-cases-rate 0.025
# Few labels: how many, and the layers and rates, of pretrained nets and of others, of which
# validation chooses; and updates of each layer of the stacks that learn no other images. An epoch
# of few cases is few updates: patience is longer.
LABELLED     ?= 100 1000 10000
SIZES        ?= 50-50-200 150-150-600 500-500-2000
RATES        ?= 0.2 0.05
RANDOM_RATES ?= 0.1 0.02
OWN_UPDATES  ?= 10000
PATIENT      ?= --patience $(shell test $(1) -le 1000 && echo 100 || echo 30) --max-epochs 1000
# A folder of other IDX files; the MNIST files inside the package when empty.
DATA   ?=
PYTHON ?= python3

BIN      := .venv/bin
HINTON06 := $(BIN)/hinton06
SETTINGS  = --plain --seed $(SEED) --recipe $(RECIPE) $(if $(DATA),--data $(DATA))
TRAIN     = $(SETTINGS) --threads $(or $(THREADS),1)
GENERATE  = $(SETTINGS) --threads $(or $(THREADS),$(if $(word 2,$(SPLITS)),1,2))
ALL      := a b c
VALIDATED = $(ALL:%=$(RUNS)/bp-%.h5)
EXTENDED  = $(ALL:%=$(RUNS)/bp-%-extended.h5)
MOVING    = $(SPLITS:%=$(RUNS)/bp-translated-%-extended.h5)
FEW       = $(RUNS)/unlabelled
CWS       = $(SPLITS:%=$(RUNS)/cws-%-extended.h5)
HYBRID    = $(SPLITS:%=$(RUNS)/hybrid-%-extended.h5)
FIGURED   = $(RUNS)/pretrain-a.h5 $(RUNS)/bp-a.h5 $(RUNS)/cws-a.h5
NETS      = $(VALIDATED) $(EXTENDED) $(RUNS)/bp-not-pretrained.h5

.PHONY: table1 replicas quick nets translated unlabelled cws hybrid figures test lint torture \
	bench clean
# A finished file is complete: make must not remove it when it is interrupted.
.PRECIOUS: $(NETS) $(RUNS)/pretrain-%.h5 $(RUNS)/pretrain-labels-%.h5 $(RUNS)/cws-%.h5 \
	$(RUNS)/hybrid-%.h5 $(RUNS)/pretrain-translated-%.h5 $(RUNS)/bp-translated-%.h5

table1: .venv/installed
	@$(MAKE) --no-print-directory -j$(JOBS) nets
	@$(HINTON06) table1 $(RUNS) --save $(RUNS)/table1

replicas: .venv/installed
	@$(MAKE) --no-print-directory -j$(JOBS) $(SEEDS:%=replica-%)
	@$(HINTON06) replicas $(foreach seed,$(SEEDS),$(RUNS)$(call of_seed,$(seed))) --save $(RUNS)/replicas

replica-%:
	@$(MAKE) --no-print-directory nets SEED=$* RUNS=$(RUNS)$(call of_seed,$*)

quick: .venv/installed
	@$(MAKE) --no-print-directory table1 RECIPE=quick RUNS=runs/quick$(call of_seed,$(SEED))

nets: $(NETS)

translated: .venv/installed
	@$(MAKE) --no-print-directory -j$(JOBS) $(MOVING)
	@$(HINTON06) translated $(RUNS) --save $(RUNS)/translated

unlabelled: .venv/installed
	@$(MAKE) --no-print-directory -j$(JOBS) $(FEW_NETS)
	@$(HINTON06) unlabelled $(FEW) --save $(FEW)/unlabelled

cws: .venv/installed
	@$(MAKE) --no-print-directory -j$(JOBS) $(CWS)
	@$(HINTON06) generative $(RUNS) --save $(RUNS)/generative

# After cws, and not beside it: a single net has both cores.
hybrid: cws
	@$(MAKE) --no-print-directory -j$(JOBS) $(HYBRID)
	@$(HINTON06) generative $(RUNS) --save $(RUNS)/generative

$(ALL:%=$(RUNS)/pretrain-%.h5): $(RUNS)/pretrain-%.h5: | .venv/installed
	$(HINTON06) pretrain --split $* --out $@ $(TRAIN)

# The layers below the labels are those of the stack without them.
$(RUNS)/pretrain-labels-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) pretrain --labels --split $* --on $< --out $@ $(GENERATE) $(LABELS)

$(RUNS)/cws-%.h5: $(RUNS)/pretrain-labels-%.h5
	$(HINTON06) finetune-cws $< --out $@ $(GENERATE)

$(RUNS)/hybrid-%.h5: $(RUNS)/cws-%.h5
	$(HINTON06) finetune-cws --search-bp-weight $< --out $@ $(GENERATE) $(MIXED)

$(ALL:%=$(RUNS)/cws-%-extended.h5): $(RUNS)/%-extended.h5: $(RUNS)/%.h5
	$(HINTON06) finetune-cws --extend $< --out $@ $(GENERATE)

$(ALL:%=$(RUNS)/hybrid-%-extended.h5): $(RUNS)/%-extended.h5: $(RUNS)/%.h5
	$(HINTON06) finetune-cws --extend $< --out $@ $(GENERATE) $(MIXED)

$(RUNS)/pretrain-translated-%.h5: | .venv/installed
	$(HINTON06) pretrain --split $* --out $@ $(GENERATE) $(MOVED)

$(RUNS)/bp-translated-%.h5: $(RUNS)/pretrain-translated-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(GENERATE) $(MOVED_RATE)

$(ALL:%=$(RUNS)/bp-translated-%-extended.h5): $(RUNS)/%-extended.h5: $(RUNS)/%.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(GENERATE) $(MOVED_ALL_RATE)

# Of layers $(1) and split $(2): the stack, and nets of $(3) labels at a rate of $(4); and those of
# a stack that has learned the labelled images alone, 100 an update; of 100, a line a pass would be
# too many.
define stack_of
$(FEW)/pretrain-$(1)-$(2).h5: | .venv/installed
	$$(HINTON06) pretrain --split $(2) --layers $(1) --out $$@ $$(TRAIN)
.PRECIOUS: $(FEW)/pretrain-$(1)-$(2).h5
endef
define pretrained_net_of
$(FEW)/bp-$(1)-$(2)-$(3)-labelled-$(4).h5: $(FEW)/pretrain-$(1)-$(2).h5
	$$(HINTON06) finetune-bp $$< --labelled $(3) --rate $(4) --out $$@ $$(TRAIN) $$(call PATIENT,$(3))
FEW_NETS += $(FEW)/bp-$(1)-$(2)-$(3)-labelled-$(4).h5
endef
define own_stack_of
$(FEW)/pretrain-$(1)-$(2)-$(3)-images.h5: | .venv/installed
	$$(HINTON06) pretrain --split $(2) --layers $(1) --labelled $(3) --out $$@ $$(TRAIN) --quiet \
		--passes $$(shell expr $(OWN_UPDATES) '*' 100 / $(3))
.PRECIOUS: $(FEW)/pretrain-$(1)-$(2)-$(3)-images.h5
endef
define own_net_of
$(FEW)/bp-$(1)-$(2)-$(3)-images-$(4).h5: $(FEW)/pretrain-$(1)-$(2)-$(3)-images.h5
	$$(HINTON06) finetune-bp $$< --rate $(4) --out $$@ $$(TRAIN) $$(call PATIENT,$(3))
FEW_NETS += $(FEW)/bp-$(1)-$(2)-$(3)-images-$(4).h5
endef
define random_net_of
$(FEW)/bp-not-pretrained-$(1)-$(2)-$(3)-labelled-$(4).h5: | .venv/installed
	$$(HINTON06) finetune-bp --no-pretraining --split $(2) --layers $(1) --labelled $(3) \
		--all-cases-rate $(4) --out $$@ $$(TRAIN) $$(call PATIENT,$(3))
FEW_NETS += $(FEW)/bp-not-pretrained-$(1)-$(2)-$(3)-labelled-$(4).h5
endef
$(foreach size,$(SIZES),$(foreach split,$(SPLITS),$(eval $(call stack_of,$(size),$(split))) \
	$(foreach few,$(LABELLED),$(eval $(call own_stack_of,$(size),$(split),$(few))) \
		$(foreach rate,$(RATES),$(eval $(call pretrained_net_of,$(size),$(split),$(few),$(rate))) \
			$(eval $(call own_net_of,$(size),$(split),$(few),$(rate)))) \
		$(foreach rate,$(RANDOM_RATES),$(eval $(call random_net_of,$(size),$(split),$(few),$(rate)))))))
.PRECIOUS: $(FEW_NETS)

# In this order, so that the file that others wait for is trained first.
$(VALIDATED): $(RUNS)/bp-%.h5: $(RUNS)/pretrain-%.h5
	$(HINTON06) finetune-bp $< --out $@ $(TRAIN)

$(RUNS)/bp-not-pretrained.h5: $(VALIDATED)
	$(HINTON06) finetune-bp --no-pretraining $(VALIDATED) --out $@ $(TRAIN)

$(EXTENDED): $(RUNS)/bp-%-extended.h5: $(RUNS)/bp-%.h5
	$(HINTON06) finetune-bp --extend $< --out $@ $(TRAIN)

figures: .venv/installed
	@$(MAKE) --no-print-directory -j$(JOBS) $(FIGURED)
	@$(HINTON06) figures $(FIGURED) --out $(RUNS)/figures --threads 1

test: .venv/installed
	$(BIN)/python -m pytest --cov

torture: .venv/installed
	rm -rf runs/torture runs/fuzz
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/torture.py runs/torture --record experiments/faults
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/fuzz.py runs/fuzz --record experiments/faults

bench: .venv/installed-bench
	$(BIN)/python experiments/speed/bench.py --record experiments/speed

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.venv/installed: pyproject.toml hinton06/native.c
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

.venv/installed-bench: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +

"""The commands of `make unlabelled`, a line each: of every layer size, number of labels and rate.

``plan.py stacks|nets FOLDER RECIPE SPLIT...`` prints what follows ``hinton06`` in each. The values
are the recipe's `searches`, of which validation chooses.
"""

import sys
from itertools import product

from hinton06.recipes import RECIPES, show_value

if len(sys.argv) < 4 or sys.argv[1] not in ("stacks", "nets"):
    print("plan.py: stacks|nets FOLDER RECIPE SPLIT ...", file=sys.stderr)
    sys.exit(2)
part, folder, recipe, *splits = sys.argv[1:]
if recipe not in RECIPES:
    print(f"plan.py: no recipe {recipe}; there are {', '.join(RECIPES)}", file=sys.stderr)
    sys.exit(2)
searches = RECIPES[recipe].searches
for size, split in product(map(show_value, searches["pretrain.layers"]), splits):
    stack = f"{folder}/pretrain-{size}-{split}"
    net, random_net = f"{folder}/bp-{size}-{split}", f"{folder}/bp-not-pretrained-{size}-{split}"
    of_split = f"--split {split} --layers {size}"
    if part == "stacks":
        print(f"pretrain {of_split} --out {stack}.h5")
        for few in searches["labelled"]:  # of 100 images, a line a pass would be too many
            out = f"--out {stack}-{few}-images.h5"
            print(f"pretrain {of_split} --labelled {few} --quiet {out}")
        continue
    for few, rate in product(searches["labelled"], searches["backprop.rate"]):
        labelled = f"--labelled {few} --rate {rate} --out {net}-{few}-labelled-{rate}.h5"
        print(f"finetune-bp {stack}.h5 {labelled}")
        images = f"--rate {rate} --out {net}-{few}-images-{rate}.h5"
        print(f"finetune-bp {stack}-{few}-images.h5 {images}")
    for few, rate in product(searches["labelled"], searches["backprop.all_cases_rate"]):
        labelled = f"--labelled {few} --all-cases-rate {rate}"
        out = f"--out {random_net}-{few}-labelled-{rate}.h5"
        print(f"finetune-bp --no-pretraining {of_split} {labelled} {out}")

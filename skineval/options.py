"""What each recipe key means: the one text behind `skineval bench --help` and the recipe's schema."""

from __future__ import annotations

HELP = {
    "models": "Architectures, comma-separated; globs work, parameters follow the name: resnet*,cnn:width=32.",
    "imbalance": "Imbalance strategies, comma-separated: none,class-weights,smote:k=3.",
    "explainers": "Explainers, comma-separated; empty for none.",
    "data": "A folder with images and metadata, or the name of a data set.",
    "task": "dx7: the seven diagnoses; malignant: melanoma, basal cell carcinoma, actinic keratosis against the rest.",
    "protocol": "How parts are made: lesion keeps the images of a lesion together; image does not (LEAKY).",
    "folds": "1: one hold-out of train, validation and test; N: N-fold cross-validation.",
    "seeds": "Seeds of training, comma-separated; every one repeats the grid.",
    "split_seed": "Seed of the split; it has its own so that training seeds do not move images between parts.",
    "epochs": "Passes over the train part at most.",
    "batch_size": "Images a step.",
    "learning_rate": "Peak learning rate, or auto: 1e-3 from scratch, 3e-4 from pretrained weights.",
    "weight_decay": "Decoupled weight decay; biases and normalisation layers are exempt.",
    "optimizer": "The optimizer.",
    "schedule": "The learning rate over time: cosine after a linear warm-up, or constant after it.",
    "warmup": "Epochs of linear warm-up, a fraction allowed.",
    "patience": "Stop after so many epochs without a better validation balanced accuracy.",
    "augment": "Augmentation of train images: none, or basic (flips, turns, shift, scale, colour).",
    "image_size": "Pixels a side of what the network sees.",
    "weights": "Initial weights: imagenet, none, or a .safetensors file.",
    "precision": "auto goes by the architecture and the device and says why; it is part of what identifies a cell.",
    "limit": "Use about so many images, whole lesions, stratified; every output then says NOT COMPARABLE.",
    "replicates": "Bootstrap replicates behind every interval, at least 1000.",
    "device": "auto, cpu, cuda, cuda:N or mps.",
    "jobs": "Cells trained at the same time, each in its own process.",
}

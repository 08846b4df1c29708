"""The science: data, augmentation, models, losses, optimisers, schedules, the training loop, checkpoints."""

"""Who runs what and when: the queue, the worker, the child that runs one job, the recorder."""

"""What is kept on disk, and the jobs that make it: files, queue, worker, the list of runs, the trash."""

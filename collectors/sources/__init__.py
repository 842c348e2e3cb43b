"""The ways in that fetch or listen: files, standard input, Kinesis, the X-Ray daemon's port. Each gives what it has to a collector."""

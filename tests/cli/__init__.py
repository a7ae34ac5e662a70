"""Does the wire command do what its help says, with the exit codes its users rely on?"""

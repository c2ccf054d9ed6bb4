"""What a compilation costs, and what a file may cost: check_kernels measures its own, compile_recorded writes down those of a build for
check_costs."""
import re
import resource
import subprocess

most_seconds, most_megabytes = 60, 2000


def run(command):
    """What the compiler says, its exit status, the processor time, and the peak memory of its largest process. Once in a program."""
    done = subprocess.run(command, capture_output=True, text=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout + done.stderr, done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def remarks(said):
    """ptxas's remarks C75xx: it serialises wgmma, or cannot move registers, which it does not call a warning."""
    return re.findall(r".*C75\d\d.*", said)


def too_much(seconds, megabytes, may_take=most_seconds):
    """Why a file should be split, or nothing."""
    if seconds <= may_take and megabytes <= most_megabytes:
        return None
    return f"{seconds:.0f} s of processor time and {megabytes:.0f} MB, more than {may_take} s or {most_megabytes} MB: split the file"

# Tries to leave the sandbox. Prints "ESCAPED name" for each way that led out, "held name" for the others.
# usage: escape.py KIND HOST_SECRET_FILE HOST_PORT HOST_ADDRESS PUBLIC_ADDRESS MAJOR:MINOR
# The addresses answer on the port, the numbers are those of a block device of the host, and the workspace holds "root-id" (id, of root, setuid) and
# "disk" (that device, for everybody): all of it is there, so that nothing but the sandbox stands between.
import ctypes, errno, glob, os, socket, struct, subprocess, sys

kind, secret, port, address, public = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
disk = os.makedev(*map(int, sys.argv[6].split(":")))
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name):
    def run(way):
        try:
            led_out = way()
        except BaseException as problem:
            led_out = False
            print("#", name, repr(problem)[:120])
        print("ESCAPED" if led_out else "held", name, flush=True)
    return run


def call(number, *arguments):
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) >= 0


def reads(path, marker=None):
    with open(path, "rb") as file:
        text = file.read(65536)
    return len(text) > 0 if marker is None else marker in text


def answers(host, number):
    with socket.create_connection((host, number), 3) as connection:
        connection.settimeout(3)
        if number == 80:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return len(connection.recv(16)) > 0


@attempt("host secret")
def _(): return reads(secret)


@attempt("shadow")
def _(): return reads("/etc/shadow")


@attempt("root of process 1")
def _(): return reads("/proc/1/root" + secret)


for number, path in enumerate(["/root", "/var/lib/dpkg", "/etc/ssh", "/home/agent/..", "/mnt", "/sys/fs/cgroup/memory", "/var/run/docker.sock"]):
    @attempt("see " + path)
    def _():
        names = os.listdir(path)
        return bool(set(names) - {"agent"})


@attempt("names of other runners")
def _():
    for folder, _, files in os.walk("/", followlinks=False):
        if folder.startswith(("/proc", "/usr", "/sys")):
            continue
        for name in files:
            if name == "victim-secret":
                return True
    return False


@attempt("memory of other runners")
def _():
    for folder in glob.glob("/proc/[0-9]*"):
        for part in ("cmdline", "environ"):
            try:
                if b"victim" in open(folder + "/" + part, "rb").read():
                    return True
            except OSError:
                pass
    return False


@attempt("attach to any host process")
def _():
    inside = {int(os.path.basename(f)) for f in glob.glob("/proc/[0-9]*")}
    return any(pid not in inside and libc.ptrace(16, pid, 0, 0) == 0 for pid in range(1, 400))


@attempt("kill any host process")
def _():
    inside = {int(os.path.basename(f)) for f in glob.glob("/proc/[0-9]*")}
    for pid in range(1, 5000):
        if pid not in inside:
            try:
                os.kill(pid, 0)
                return not os.path.exists("/proc/%d" % pid)
            except OSError:
                pass
    return False


for name, target in [("metadata", ("169.254.169.254", 80)), ("host loopback", ("127.0.0.1", port)), ("host address", (address, port)),
                     ("private 10", ("10.0.0.1", 80)), ("private 172", ("172.17.0.1", port)), ("private 192", ("192.168.1.1", 80)),
                     ("helper's namespace", ("10.200.0.1", port)), ("public", (public, port)), ("v6 loopback", ("::1", port))]:
    @attempt("reach " + name)
    def _(): return answers(*target)


@attempt("raw socket")
def _(): return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attempt("packet socket")
def _(): return socket.socket(17, socket.SOCK_RAW, 0x0300)


@attempt("vsock")
def _():
    socket.socket(40, socket.SOCK_STREAM).connect((2, 1))
    return True


@attempt("change the network")
def _():
    link = socket.socket(16, socket.SOCK_RAW, 0)
    # RTM_DELROUTE of the default route, acknowledged
    link.send(struct.pack("=IHHII", 28, 25, 5, 1, 0) + struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 0, 0))
    return struct.unpack("=i", link.recv(4096)[16:20])[0] == 0


@attempt("become root")
def _():
    os.setuid(0)
    return open("/etc/shadow") is not None


@attempt("setuid program")
def _():
    done = subprocess.run(["/workspace/root-id", "-u"], capture_output=True, text=True)
    print("# setuid program ran as", done.stdout.strip(), done.stderr.strip())
    return done.stdout.strip() == "0"


@attempt("mount over what is shown")
def _(): return libc.mount(b"none", b"/usr", b"tmpfs", 0, None) == 0


@attempt("mount a host disk")
def _(): return libc.mount(b"/workspace/disk", b"/tmp", b"ext4", 0, None) == 0


@attempt("read a host disk")
def _(): return reads("/workspace/disk")


@attempt("make a device")
def _():
    os.mknod("/tmp/disk", 0o60666, disk)
    return reads("/tmp/disk")


@attempt("chroot")
def _():
    os.chroot("/tmp")
    return True


@attempt("load a module")
def _(): return call(313, os.open("/bin/sh", os.O_RDONLY), b"", 0) or call(175, b"x", 1, b"")


@attempt("kernel settings")
def _():
    for path, value in [("/proc/sys/kernel/core_pattern", "|/tmp/x"), ("/proc/sysrq-trigger", "h"), ("/proc/sys/vm/drop_caches", "1")]:
        try:
            with open(path, "w") as file:
                file.write(value)
            return True
        except OSError:
            pass
    return False


@attempt("change programs")
def _():
    for path in ("/usr/bin/x", "/opt/marionette/bin/x", "/opt/marionette/bin/marionette-agent", "/etc/passwd", "/x"):
        try:
            open(path, "a").close()
            return True
        except OSError:
            pass
    return False


@attempt("set the clock")
def _(): return call(227, 0, ctypes.create_string_buffer(struct.pack("=qq", 1, 0)))


@attempt("reboot")
def _(): return call(169, 0xfee1dead, 672274793, 0, 0)


@attempt("swap")
def _(): return call(167, b"/tmp/x", 0)


@attempt("open by handle")
def _(): return call(304, 3, ctypes.create_string_buffer(64), 0)


@attempt("new kernel")
def _(): return call(246, 0, 0, 0, 0) and False or call(320, 3, 3, 0, b"", 0)


# Doors of the host's own kernel. gVisor answers these itself, or not at all: there they lead nowhere.
if kind == "bwrap":
    for name, arguments in [("user namespace", (272, 0x10000000)), ("network namespace", (272, 0x40000000)), ("bpf", (321, 0, ctypes.create_string_buffer(128), 128)),
                            ("keyring", (250, 0, -3, 1)), ("perf", (298, ctypes.create_string_buffer(128), 0, -1, -1, 0)), ("userfaultfd", (323, 1)),
                            ("io_uring", (425, 1, ctypes.create_string_buffer(256))), ("other's memory", (310, 1, ctypes.create_string_buffer(16), 1, ctypes.create_string_buffer(16), 1, 0)),
                            ("new mount calls", (430, b"tmpfs", 0)), ("join a namespace", (308, os.open("/proc/self/ns/net", os.O_RDONLY), 0))]:
        @attempt(name)
        def _(): return call(*arguments)

    @attempt("type into the terminal")
    def _():
        import fcntl, pty
        master, slave = pty.openpty()
        fcntl.ioctl(slave, 0x5412, b"x")
        return True

print("tried", flush=True)

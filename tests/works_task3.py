"""Works for task 3: the interface and the IPVS service."""

# ruff: noqa: E501 (a work a line)
from works import FOR_EVER, INTERFACE, REAL1, REAL2, SERVICE, right, wrong

SCRIPT = "task3.sh"
VIP = "192.168.100.1"
LO = f"ip addr add {VIP}/32 dev lo\n"
# User-Mode Linux has no nftables: there these commands are refused, and a kernel with both carries them out.
DNAT = """\
nft add table ip learner
nft add chain ip learner out '{ type nat hook output priority -100; }'
"""
# Both in turn, by nftables.
TURNS = f"nft add rule ip learner out ip daddr {VIP} tcp dport 80 dnat to 127.0.0.1 : numgen inc mod 2 map '{{ 0 : 8081, 1 : 8082 }}'\n"
# IPVS sends what the real servers answer back to the client's address, which is the virtual one; all of that is lost.
LOST = f"""\
tc qdisc add dev lo root handle 1: prio
tc qdisc add dev lo parent 1:3 handle 30: netem loss 100%
tc filter add dev lo parent 1: protocol ip u32 match ip dst {VIP}/32 flowid 1:3
"""
FORWARDER = """\
import itertools, socket, threading
turns = itertools.cycle((8081, 8082))
def copy(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
with socket.create_server(("192.168.100.1", 80)) as server:
    while True:
        client = server.accept()[0]
        backend = socket.create_connection(("127.0.0.1", next(turns)))
        threading.Thread(target=copy, args=(client, backend)).start()
        threading.Thread(target=copy, args=(backend, client)).start()
"""
MARKED = f"""\
nft add table ip learner
nft add chain ip learner out '{{ type route hook output priority -150; }}'
nft add rule ip learner out ip daddr {VIP} tcp dport 80 meta mark set 7
ipvsadm -A -f 7 -s rr
ipvsadm -a -f 7 -r 127.0.0.1:8081 -m
ipvsadm -a -f 7 -r 127.0.0.1:8082 -m
"""
TABLE = f"-A -t {VIP}:80 -s rr\n-a -t {VIP}:80 -r 127.0.0.1:8081 -m -w 1\n-a -t {VIP}:80 -r 127.0.0.1:8082 -m -w 1\n"
LONG = f"""\
ipvsadm --add-service --tcp-service {VIP}:80 --scheduler rr
ipvsadm --add-server --tcp-service {VIP}:80 --real-server 127.0.0.1:8081 --masquerading --weight 1
ipvsadm --add-server --tcp-service {VIP}:80 --real-server 127.0.0.1:8082 --masquerading --weight 1
"""
TRIED = f"for i in 1 2 3 4 5; do curl -s http://{VIP}; done\nipvsadm -L -n --stats\n"

WRONG = [
    wrong("dummy0", "3.1", (SCRIPT, "dummy1", "dummy0")),
    wrong("vip-on-lo", "3.1", (SCRIPT, INTERFACE, LO)),
    wrong("vip-on-lo-beside-dummy1", "3.1", (SCRIPT, INTERFACE, "ip link add dummy1 type dummy\nip link set dummy1 up\n" + LO)),
    wrong("vip-on-both", "3.1", (SCRIPT, INTERFACE, INTERFACE + LO)),
    wrong("prefix-24", "3.1", (SCRIPT, "/32", "/24")),
    wrong("both-prefixes", "3.1", (SCRIPT, INTERFACE, INTERFACE + f"ip addr add {VIP}/24 dev dummy1\n")),
    wrong("interface-down", "3.1", (SCRIPT, "ip link set dummy1 up\n", "")),
    wrong("other-vip", "3.1", (SCRIPT, f"{VIP}/32", "192.168.100.2/32")),
    wrong("veth", "3.1", (SCRIPT, "dummy1 type dummy", "dummy1 type veth peer name other")),
    wrong("bridge", "3.1", (SCRIPT, "dummy1 type dummy", "dummy1 type bridge")),
    wrong("no-interface", "3.1", (SCRIPT, INTERFACE, "")),
    wrong("flushed", "3.1", (SCRIPT, REAL2, REAL2 + "ip addr flush dev dummy1\n")),
    wrong("set-down-again", "3.1", (SCRIPT, REAL2, REAL2 + "ip link set dummy1 down\n")),
    wrong("capital-letter", "3.1", (SCRIPT, "dummy1", "Dummy1")),
    wrong("scheduler-default", "3.2", (SCRIPT, " -s rr", "")),
    wrong("wrr", "3.2", (SCRIPT, "rr", "wrr")),
    wrong("least-connections", "3.2", (SCRIPT, "-s rr", "-s lc")),
    wrong("source-hash", "3.2", (SCRIPT, "-s rr", "-s sh")),
    wrong("persistent", "3.2", (SCRIPT, "-s rr", "-s rr -p")),
    wrong("direct-routing", "3.2", (SCRIPT, " -m\n", " -g\n")),
    wrong("tunnel", "3.2", (SCRIPT, " -m\n", " -i\n")),
    wrong("method-left-out", "3.2", (SCRIPT, " -m\n", "\n")),
    wrong("weights-1-2", "3.2", (SCRIPT, REAL2, REAL2.replace("-m", "-m -w 2"))),
    wrong("weight-0", "3.2", (SCRIPT, REAL2, REAL2.replace("-m", "-m -w 0"))),
    wrong("one-real-server", "3.2", (SCRIPT, REAL2, "")),
    wrong("third-real-server", "3.2", (SCRIPT, REAL2, REAL2 + REAL2.replace("8082", "8083"))),
    wrong("wrong-real-port", "3.2", (SCRIPT, "8082", "8083")),
    wrong("same-real-server-on-127.0.0.2", "3.2", (SCRIPT, "127.0.0.1:8082", "127.0.0.2:8082")),
    wrong("udp-service", "3.2", (SCRIPT, " -t ", " -u ")),
    wrong("service-on-8080", "3.2", (SCRIPT, f"{VIP}:80 ", f"{VIP}:8080 ")),
    wrong("service-elsewhere", "3.2", (SCRIPT, f"{VIP}:80 ", "192.168.100.2:80 ")),
    wrong("fwmark-service", "3.2", (SCRIPT, SERVICE + REAL1 + REAL2, MARKED)),
    wrong("a-service-for-each-server", "3.2", (SCRIPT, REAL2, (SERVICE + REAL2).replace(":80 ", ":8080 "))),
    wrong("service-on-any-address", "3.2", (SCRIPT, f"{VIP}:80 ", "0.0.0.0:80 ")),
    wrong("real-servers-on-the-vip", "3.2", (SCRIPT, "127.0.0.1:808", f"{VIP}:808")),
    wrong("one-by-direct-routing", "3.2", (SCRIPT, REAL2, REAL2.replace("-m", "-g"))),
    wrong("weights-2-1", "3.2", (SCRIPT, REAL1, REAL1.replace("-m", "-m -w 2"))),
    wrong("drained", "3.2", (SCRIPT, REAL2, REAL2 + REAL2.replace("-a", "-e").replace("-m", "-m -w 0"))),
    wrong("table-cleared", "3.2", (SCRIPT, REAL2, REAL2 + "ipvsadm -C\n")),
    wrong("edited-to-wlc", "3.2", (SCRIPT, REAL2, REAL2 + f"ipvsadm -E -t {VIP}:80 -s wlc\n")),
    wrong("dnat-instead", "3.2", (SCRIPT, SERVICE + REAL1 + REAL2, DNAT + TURNS)),
    wrong("python-forwarder", "3.2", ("forward.py", FORWARDER), (SCRIPT, SERVICE + REAL1 + REAL2, "python3 ~/forward.py &\nsleep 1\n")),
    wrong("answers-lost", "3.3", (SCRIPT, REAL2, REAL2 + LOST)),
    wrong("few-connections-allowed", "3.3", (SCRIPT, " -m\n", " -m -x 3\n")),
]  # fmt: skip
RIGHT_ONES = [
    right("restored", 3, ("table", TABLE), (SCRIPT, INTERFACE + "ipvsadm -R < ~/table\n")),
    right("explicit-weight-1", 3, (SCRIPT, " -m\n", " -m -w 1\n")),
    right("weights-5-5", 3, (SCRIPT, " -m\n", " -m -w 5\n")),
    right("long-options", 3, (SCRIPT, INTERFACE + LONG)),
    right("edited-to-rr", 3, (SCRIPT, INTERFACE + SERVICE.replace("-s rr", "-s wlc -p 60") + REAL1 + REAL2 + f"ipvsadm -E -t {VIP}:80 -s rr\n")),
    right("service-first", 3, (SCRIPT, SERVICE + REAL1 + REAL2 + INTERFACE)),
    right("renamed-dummy", 3, (SCRIPT, INTERFACE, INTERFACE.replace("ip link add dummy1 type dummy", "ip link add type dummy\nip link set dummy0 name dummy1"))),
    right("up-before-address", 3, (SCRIPT, INTERFACE, f"ip link add name dummy1 up type dummy\nip a a {VIP} dev dummy1\n")),
    right("server-edited", 3, (SCRIPT, REAL2, REAL2.replace("-m", "-m -w 4") + REAL2.replace("-a", "-e").replace("-m", "-m -w 1"))),
    right("own-trials", 3, (SCRIPT, REAL2, REAL2 + TRIED)),
    right("modprobe-first", 3, (SCRIPT, INTERFACE, "set -e\nmodprobe dummy\nsudo modprobe -a ip_vs ip-vs-rr\nsysctl -w net.ipv4.ip_forward=1\n" + INTERFACE)),
    right("sudo", 3, (SCRIPT, "".join(f"sudo {line}\n" for line in (INTERFACE + SERVICE + REAL1 + REAL2).splitlines()))),
    right("second-service", 3, (SCRIPT, REAL2, REAL2 + (SERVICE + REAL1 + REAL2).replace(":80 ", ":8080 "))),
    right("trials-long-ago", 3, (SCRIPT, REAL2, REAL2 + 4 * TRIED + "ipvsadm -Z\nsleep 8\n")),
    right("clients-go-on", 3, (SCRIPT, REAL2, REAL2 + f"while sleep 0.5; do curl -s http://{VIP}; done &\n")),
    right("backends-for-ever", 3, ("task1.sh", FOR_EVER)),
    right("drained-and-back", 3, (SCRIPT, REAL2, REAL2 + "".join(REAL2.replace("-a", "-e").replace("-m", f"-m -w {n}") for n in (0, 1)))),
    right("done-twice", 3, (SCRIPT, REAL2, REAL2 + INTERFACE + SERVICE + REAL1 + REAL2)),
    right("names", 3, (SCRIPT, f"{VIP}:80 ", f"{VIP}:http "), (SCRIPT, "127.0.0.1:8", "localhost:8")),
    right("trials-zeroed", 3, (SCRIPT, REAL2, REAL2 + TRIED + "ipvsadm -Z\n" + TRIED)),
]  # fmt: skip

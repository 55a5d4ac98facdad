"""Works for task 2: records, servers, written answers."""

# ruff: noqa: E501 (a work a line)
from works import NAME, RECORD1, RECORD2, right, wrong

CONF, SCRIPT = "dnsmasq.conf", "task2.sh"
# A DNS server over UDP and TCP: every question is answered with both addresses.
PYTHON_DNS = """\
import socketserver, struct
def answer(ask):
    end = ask.index(b"\\0", 12) + 5
    a_question = ask[end - 4:end - 2] == b"\\0\\1"
    records = b"".join(b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4" + bytes((127, 0, 0, n)) for n in (1, 2)) if a_question else b""
    return ask[:2] + struct.pack(">HHHHH", 0x8580, 1, 2 if a_question else 0, 0, 0) + ask[12:end] + records
class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(answer(self.request[0]), self.client_address)
class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        said = answer(self.request.recv(1000)[2:])
        self.request.sendall(struct.pack(">H", len(said)) + said)
import threading
socketserver.TCPServer.allow_reuse_address = True
threading.Thread(target=socketserver.ThreadingTCPServer(("127.0.0.1", 53), Tcp).serve_forever).start()
socketserver.ThreadingUDPServer(("127.0.0.1", 53), Udp).serve_forever()
"""
HOSTS = f"127.0.0.1 {NAME}\n127.0.0.2 {NAME}\n"
BEGIN = "no-resolv\nno-hosts\n"
# The records in the folder that Debian's service reads, and a bare dnsmasq does not.
IN_FOLDER = (
    f"mkdir -p /etc/dnsmasq.d\nprintf 'address=/{NAME}/127.0.0.1\\naddress=/{NAME}/127.0.0.2\\n' > /etc/dnsmasq.d/lb.conf\n"
)

WRONG = [
    wrong("wrong-address", "2.1", (CONF, "127.0.0.2", "127.0.0.3")),
    wrong("one-record", "2.1", (CONF, RECORD2, "")),
    wrong("two-addresses-in-one-line", "2.1", (CONF, f"{BEGIN}host-record={NAME},127.0.0.1,127.0.0.2\n")),
    wrong("same-address-twice", "2.1", (CONF, "127.0.0.2", "127.0.0.1")),
    wrong("third-record", "2.1", (CONF, RECORD2, RECORD2 + RECORD2.replace("0.0.2", "0.0.3"))),
    wrong("name-typo", "2.1", (CONF, "highload", "high-load")),
    wrong("one-name-typo", "2.1", (CONF, RECORD1, RECORD1.replace("awesome", "awsome"))),
    wrong("name-without-local", "2.1", (CONF, ".local", "")),
    wrong("names-of-other-records", "2.1", (CONF, BEGIN + f"txt-record={NAME},127.0.0.1\ntxt-record={NAME},127.0.0.2\n")),
    wrong("addn-hosts-with-one", "2.1", ("hosts", HOSTS.splitlines(keepends=True)[0]), (CONF, BEGIN + "addn-hosts=/root/hosts\n")),
    wrong("no-addn-hosts-file", "2.1", (CONF, BEGIN + "addn-hosts=/root/hosts\n")),
    wrong("one-address-line", "2.1", (CONF, BEGIN + f"address=/{NAME}/127.0.0.1\n")),
    wrong("records-of-ipv6", "2.1", (CONF, BEGIN + f"host-record={NAME},::1\n")),
    wrong("alias", "2.1", (CONF, f"{BEGIN}host-record=pool.local,127.0.0.1\nhost-record=pool.local,127.0.0.2\ncname={NAME},pool.local\n")),
    wrong("third-record-in-another-file", "2.1", ("more", f"127.0.0.3 {NAME}\n"), (SCRIPT, "dnsmasq.conf", "dnsmasq.conf --addn-hosts=/root/more")),
    wrong("etc-hosts-and-no-hosts", "2.1", ("hosts", HOSTS), (CONF, BEGIN), (SCRIPT, "cat ~/hosts >> /etc/hosts\ndnsmasq -C ~/dnsmasq.conf\n")),
    wrong("edited-and-not-started-again", "2.1", (CONF, RECORD2, ""), (SCRIPT, f"dnsmasq -C ~/dnsmasq.conf\necho '{RECORD2.strip()}' >> ~/dnsmasq.conf\nkill -HUP $(cat /run/dnsmasq.pid)\n")),
    wrong("dnsmasq.d-and-bare", "2.1", (CONF, None), (SCRIPT, IN_FOLDER + "dnsmasq\n")),
    wrong("dnsmasq.d-and-other-file", "2.1", (CONF, BEGIN), (SCRIPT, IN_FOLDER + "dnsmasq -C ~/dnsmasq.conf\n")),
    wrong("three-addresses-on-53", "2.1", (CONF, BEGIN + "".join(f"address=/{NAME}/127.0.0.{n}\n" for n in (1, 2, 3)))),
    wrong("short-name", "2.1", ("hosts", HOSTS.replace(".local", "")), (CONF, BEGIN + "addn-hosts=/root/hosts\n")),
    wrong("other-dns-port", "2.2", (SCRIPT, "dnsmasq -C", "dnsmasq --port 5353 -C")),
    wrong("port-5353", "2.2", (CONF, BEGIN, BEGIN + "port=5353\n")),
    wrong("port-54-bound", "2.2", (CONF, BEGIN, BEGIN + "port=54\nlisten-address=127.0.0.1\nbind-interfaces\n")),
    wrong("port-5353-and-fixed-order", "2.2", (CONF, f"port=5353\naddress=/{NAME}/127.0.0.1\naddress=/{NAME}/127.0.0.2\n")),
    wrong("only-127.0.0.2", "2.2", (CONF, BEGIN, BEGIN + "listen-address=127.0.0.2\nbind-interfaces\n")),
    wrong("not-on-loopback", "2.2", (CONF, BEGIN, BEGIN + "except-interface=lo\n")),
    wrong("refused-configuration", "2.2", (CONF, "host-record=", "host-rekord=")),
    wrong("only-tested", "2.2", (SCRIPT, "dnsmasq -C", "dnsmasq --test -C")),
    wrong("dnsmasq-killed", "2.2", (SCRIPT, "dnsmasq -C ~/dnsmasq.conf\nkill $(cat /run/dnsmasq.pid)\nsleep 1\n")),
    wrong("no-such-file", "2.2", (SCRIPT, "dnsmasq.conf", "dnsmask.conf")),
    wrong("no-such-interface", "2.2", (CONF, BEGIN, BEGIN + "interface=eth0\nbind-interfaces\n")),
    wrong("only-for-two-seconds", "2.2", (SCRIPT, "timeout 2 dnsmasq -k -C ~/dnsmasq.conf\nsleep 4\n")),
    wrong("only-etc-hosts", "2.2", ("hosts", HOSTS), (SCRIPT, f"cat ~/hosts >> /etc/hosts\ngetent ahosts {NAME}\n")),
    wrong("python-dns", "2.2", ("dns.py", PYTHON_DNS), (SCRIPT, "python3 ~/dns.py &\n")),
    wrong("python-called-dnsmasq", "2.2", ("dnsmasq", "#!/usr/bin/env -S python3\n" + PYTHON_DNS), (SCRIPT, "chmod +x ~/dnsmasq; ~/dnsmasq &\n")),
    wrong("python-beside-dnsmasq", "2.2", ("dns.py", PYTHON_DNS), (CONF, BEGIN, BEGIN + "listen-address=127.0.0.2\nbind-interfaces\n"), (SCRIPT, "dnsmasq -C ~/dnsmasq.conf\npython3 ~/dns.py &\n")),
    wrong("records-on-5353-alone", "2.2", ("other.conf", BEGIN), (SCRIPT, "dnsmasq -C ~/other.conf\ndnsmasq -C ~/dnsmasq.conf -p 5353 -x /tmp/second.pid\n")),
    wrong("no-answers", "2.3", ("answers.md", None)),
    wrong("answer-to-come", "2.3", ("answers.md", "## 2.3\n<!-- your answer here, in a few sentences -->\n")),
    wrong("answer-to-another", "2.3", ("answers.md", "## 2.3\n\n## 4.5\nnginx answers from the second server after the switch.\n")),
    wrong("one-word-answer", "2.3", ("answers.md", "## 2.3\nNothing.\n")),
]  # fmt: skip
RIGHT_ONES = [
    right("address-lines", 2, (CONF, BEGIN + f"address=/{NAME}/127.0.0.1\naddress=/{NAME}/127.0.0.2\n")),
    right("address-lines-swapped", 2, (CONF, BEGIN + f"address=/{NAME}/127.0.0.2\naddress=/{NAME}/127.0.0.1\n")),
    right("on-53-and-5353", 2, (SCRIPT, "dnsmasq -C ~/dnsmasq.conf\ndnsmasq -C ~/dnsmasq.conf -p 5353 -x /tmp/second.pid\n")),
    right("folder-named", 2, (CONF, None), (SCRIPT, IN_FOLDER + "dnsmasq -7 /etc/dnsmasq.d\n")),
    right("first-on-5353", 2, (SCRIPT, "dnsmasq -C ~/dnsmasq.conf -p 5353\npkill dnsmasq\nsleep 1\ndnsmasq -C ~/dnsmasq.conf\n")),
    right("addn-hosts", 2, ("hosts", HOSTS), (CONF, BEGIN + "addn-hosts=/root/hosts\n")),
    right("etc-hosts", 2, ("hosts", HOSTS), (CONF, "no-resolv\n"), (SCRIPT, "cat ~/hosts >> /etc/hosts\ndnsmasq -C ~/dnsmasq.conf\n")),
    right("hosts-folder", 2, ("names/one", HOSTS), (CONF, BEGIN + "hostsdir=/root/names\n")),
    right("options-only", 2, (CONF, None), (SCRIPT, f"dnsmasq -C /dev/null --no-resolv --no-hosts --host-record={NAME},127.0.0.1 --host-record={NAME},127.0.0.2\n")),
    right("ttl-of-a-record", 2, (CONF, "127.0.0.1\n", "127.0.0.1,60\n")),
    right("ttl-of-all", 2, (CONF, BEGIN, BEGIN + "local-ttl=300\nlocal=/local/\nlog-queries\n")),
    right("ipv6-too", 2, (CONF, "127.0.0.1\n", "127.0.0.1,::1\n")),
    right("foreground", 2, (SCRIPT, "dnsmasq -k -C ~/dnsmasq.conf &\n")),
    right("bound-to-127.0.0.1", 2, (CONF, BEGIN, BEGIN + "listen-address=127.0.0.1\nbind-interfaces\nuser=root\n")),
    right("asked-with-dig", 2, (SCRIPT, f"dnsmasq --conf-file=/root/dnsmasq.conf\ndig @127.0.0.1 {NAME}\ndig @127.0.0.1 {NAME} +short\n")),
    right("etc-dnsmasq.conf", 2, (SCRIPT, "cat > /etc/dnsmasq.conf <<END\ninterface=lo\nbind-dynamic\nserver=192.0.2.1\n" + RECORD1 + RECORD2 + "END\nsudo dnsmasq\n")),
    right("folder-of-configurations", 2, (CONF, None), (SCRIPT, f"set -e\nmkdir -p /etc/dnsmasq.d\nprintf '{RECORD1}{RECORD2}' | sudo tee /etc/dnsmasq.d/lb.conf\ndnsmasq --conf-dir=/etc/dnsmasq.d\n".replace("\n'", "'").replace("\nhost", "\\nhost"))),
    right("edited-and-started-again", 2, (CONF, RECORD2, ""), (SCRIPT, f"dnsmasq -C ~/dnsmasq.conf\necho '{RECORD2.strip()}' >> ~/dnsmasq.conf\nkill $(cat /run/dnsmasq.pid)\nsleep 1\ndnsmasq -C ~/dnsmasq.conf\n")),
    right("hosts-read-again", 2, ("hosts", HOSTS.splitlines(keepends=True)[0]), (CONF, BEGIN + "addn-hosts=/root/hosts\n"), (SCRIPT, f"dnsmasq -C ~/dnsmasq.conf -x /tmp/d.pid\necho '127.0.0.2 {NAME}' >> ~/hosts\nkill -HUP $(cat /tmp/d.pid)\n")),
    right("short-names-expanded", 2, ("hosts", HOSTS.replace(".local", "")), (CONF, BEGIN + "addn-hosts=/root/hosts\nexpand-hosts\ndomain=local\n")),
    right("nohup-and-debug", 2, (SCRIPT, "nohup dnsmasq -d --log-queries -C dnsmasq.conf >/tmp/d.log 2>&1 &\n")),
    right("answer-without-number", 2, ("answers.md", "# Answers\n\nThe records stay: dnsmasq does not check who is alive.\n")),
]  # fmt: skip

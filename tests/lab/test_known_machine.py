"""A lab is the machine that people know: services, sudo, packages and tools as on a Debian, on every Linux."""

# ruff: noqa: E501 (a table of commands)
from collections.abc import Iterator

import pytest

from labkit.lab import Lab


@pytest.fixture(autouse=True)
def clean(lab: Lab) -> Iterator[None]:
    """Each test finds the machine as it was opened."""
    lab.run("cp -a /etc/nginx /etc/dnsmasq.conf /etc/dnsmasq.d /tmp/")
    yield
    lab.run(
        "pkill -KILL -x nginx; pkill -KILL -x dnsmasq; rm -rf /run/labkit /run/nginx.pid /var/log/journal /etc/nginx /etc/dnsmasq.* "
        "/etc/systemd/system/*; cp -a /tmp/nginx /tmp/dnsmasq.conf /tmp/dnsmasq.d /etc/"
    )


SITE = "server { listen 127.0.0.1:8888; return 200 ok; }"
A = "address=/a.test/127.0.0.1"
# What is typed, its code, and words that it must print.
TYPED = [
    ("systemctl restart nginx; curl -sI localhost | head -1", 0, "200 OK"),
    (f"echo '{SITE}' >/etc/nginx/conf.d/a.conf; nginx -s reload; sleep 0.5; curl -s 127.0.0.1:8888", 0, "ok"),
    (f"echo '{SITE}' >/etc/nginx/conf.d/a.conf; service nginx reload; sleep 0.5; curl -s 127.0.0.1:8888", 0, "ok"),
    (f"echo '{SITE}' >/etc/nginx/sites-available/a; ln -s ../sites-available/a /etc/nginx/sites-enabled/; "
     "/etc/init.d/nginx restart; curl -s 127.0.0.1:8888", 0, "ok"),
    ("echo 'foo;' >/etc/nginx/conf.d/a.conf; systemctl restart nginx", 1, "Job for nginx.service failed because the control process"),
    ("echo 'foo;' >/etc/nginx/conf.d/a.conf; systemctl start nginx; journalctl -u nginx", 0, 'unknown directive "foo"'),
    ("echo 'foo;' >/etc/nginx/conf.d/a.conf; service nginx start; systemctl status nginx", 3, "failed (Result: exit-code)"),
    ("systemctl status nginx", 0, "active (running)"), ("systemctl is-active nginx", 0, "active"),
    ("systemctl stop nginx; systemctl is-active nginx", 3, "inactive"), ("systemctl stop nginx; pgrep -x nginx", 1, ""),
    ("systemctl stop nginx; systemctl reload nginx", 1, "nginx.service is not active, cannot reload."),
    ("systemctl enable --now nginx; systemctl is-enabled nginx; pgrep -cx nginx", 0, "enabled"),
    ("systemctl restart ngnix", 5, "Unit ngnix.service not found."), ("service ngnix restart", 5, "Unit ngnix.service not found."),
    ("systemctl status ngnix", 4, "Unit ngnix.service could not be found."), ("systemctl cat nginx", 0, "PIDFile=/run/nginx.pid"),
    ("systemctl disable --now systemd-resolved", 0, ""), ("systemctl daemon-reload", 0, ""),
    (f"echo {A} >/etc/dnsmasq.d/a.conf; systemctl restart dnsmasq; dig +short @127.0.0.1 a.test", 0, "127.0.0.1"),
    (f"echo {A} >>/etc/dnsmasq.conf; service dnsmasq restart; dig +short @127.0.0.1 a.test", 0, "127.0.0.1"),
    (f"echo {A} >/etc/dnsmasq.d/a.conf; dnsmasq; dig @127.0.0.1 a.test", 0, "REFUSED"),
    ("echo nonsense >/etc/dnsmasq.conf; systemctl restart dnsmasq", 1, "Job for dnsmasq.service failed"),
    ("echo nonsense >/etc/dnsmasq.conf; systemctl restart dnsmasq; journalctl -xeu dnsmasq", 0, "at line 1 of /etc/dnsmasq.conf"),
    ("systemctl start dnsmasq; systemctl stop dnsmasq; pgrep -x dnsmasq", 1, ""),
    ("printf '[Service]\\nWorkingDirectory=/tmp\\nEnvironment=A=b\\nExecStart=/usr/bin/python3 -m http.server 8181\\n' "
     ">/etc/systemd/system/own.service; systemctl start own; curl -s -o /dev/null -w '%{http_code}' --retry 20 --retry-connrefused --retry-delay 1 localhost:8181; "
     "systemctl stop own; pgrep -fc '[h]ttp.server 8181'", 1, "2000"),
    ("printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/nginx -c /etc/own.conf\\n' | install -D /dev/stdin /etc/systemd/system/nginx.service.d/o.conf; "
     "systemctl restart nginx || systemctl cat nginx; journalctl -u nginx | grep own.conf", 0, "/etc/own.conf"),
    ("printf '[Service]\\nType=oneshot\\nExecStart=echo %%i of %%p\\n' >/etc/systemd/system/a@.service; systemctl start a@7; journalctl -u a@7", 0, "7 of a"),
    ("systemd-run -u own -E A=b sh -c 'echo \"$A 100% it'\\''s\"'; sleep 0.3; journalctl -u own", 0, "b 100% it's"), ("systemd-run --wait echo here", 0, "here"),
    ("printf 'iface dummy7 inet static\\n address 10.0.7.1\\n netmask 24\\n pre-up ip link add $IFACE type veth\\n' >/etc/network/interfaces.d/d; "
     "ifup dummy7; ip -br a show dummy7; ip link del dummy7; rm /etc/network/interfaces.d/d", 0, "10.0.7.1/24"), ("ifup nosuch", 1, "unknown interface nosuch"),
    ("sudo id -un", 0, "root"), ("sudo -nu nobody id -un", 0, "nobody"), ("sudo -u root -E id -un", 0, "root"),
    ("sudo --user=nobody id -un", 0, "nobody"), ("sudo -u www-data nginx -v", 0, "nginx version"), ("sudo nosuch -x", 1, "sudo: nosuch: command not found"), ("sudo --user nobody id -un", 0, "nobody"), ("sudo -h", 0, "usage: sudo"),
    ("sudo X=7 printenv X", 0, "7"), ("sudo -u nosuch id", 1, "unknown user"), ("echo 1 | sudo tee /etc/x", 0, "1"),
    ("sudo sh -c 'echo 1 >/etc/x; cat /etc/x'", 0, "1"), ("su -c 'id -un'", 0, "root"), ("sudo -s id -un", 0, "root"),
    ("apt update && apt install -y nginx dnsmasq ipvsadm tshark dnsutils", 0, "nginx is already the newest version"),
    ("apt-get install -y no-such-thing", 100, "a lab has no network"), ("ufw allow 80/tcp", 0, "no firewall"), ("hostnamectl", 0, "lab"),
    ("ps aux", 0, "ps aux"), ("ss -tln", 0, "State"), ("netstat -tln", 0, "Proto"), ("lsmod", 0, "Module"), ("tree /etc/nginx", 0, "sites-enabled"),
    ("sysctl -w net.ipv4.ip_forward=1", 0, "net.ipv4.ip_forward = 1"), ("vi --version | head -1", 0, "VIM"), ("nslookup x 127.0.0.1", 1, ""),
    ("python3 -m http.server 8181 & sleep 2; kill $(lsof -t -i:8181) && echo killed", 0, "killed"),
    ("tmux new-session -d -s a 'sleep 5' && tmux ls && tmux kill-server", 0, "a: 1 windows"), ("ip addr add 127.0.0.2/8 dev lo", 0, ""),
]  # fmt: skip


@pytest.mark.parametrize(("command", "code", "words"), TYPED, ids=[row[0][:40].replace("/", "|") for row in TYPED])
def test_what_is_typed_works_as_on_a_debian(lab: Lab, command: str, code: int, words: str) -> None:
    """The command ends with the code, and prints the words, that it has on a machine of one's own."""
    done = lab.run(command, check=False)
    assert done.code == code and words in str(done), str(done)

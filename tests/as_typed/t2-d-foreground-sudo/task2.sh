sudo dnsmasq -d -q \
    --conf-file=/dev/null \
    --no-resolv --no-hosts \
    --listen-address=127.0.0.1 --bind-interfaces \
    --host-record=my-awesome-highload-app.local,127.0.0.1 \
    --host-record=my-awesome-highload-app.local,127.0.0.2
dig @127.0.0.1 my-awesome-highload-app.local +noall +answer

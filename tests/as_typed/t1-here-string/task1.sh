cd; mkdir -pv backend{1,2}
tee backend1/index.html <<< '<h1>Response from Backend Server 1</h1>'
tee backend2/index.html <<< "<h2>*** Response from Backend Server 2 ***</h2>"
for i in 1 2
do
    python3 -m http.server "808$i" -d "backend$i" 1>/dev/null 2>&1 &
    disown
done; sleep 1
time for i in 1 2; do curl -sS localhost:808$i; done
jobs -l

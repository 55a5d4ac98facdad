#!/bin/bash
clear
echo "=== Балансировка: задание 1 ==="
declare -A PAGE=([8081]='<h1>Response from Backend Server 1</h1>' [8082]='<h2>*** Response from Backend Server 2 ***</h2>')
n=0
for port in 8081 8082; do
  n=$((n+1)); dir="$HOME/backend$n"
  [ -d "$dir" ] || mkdir "$dir"
  echo "${PAGE[$port]}" > "$dir/index.html"
  (cd "$dir" && nohup python3 -m http.server "$port" --bind 0.0.0.0 &>/dev/null & echo $! > /tmp/$port.pid)
done
read -p "Нажмите Enter..." _
clear
ps -p $(cat /tmp/8081.pid) -o pid,cmd
curl -s localhost:8081 && curl -s localhost:8082

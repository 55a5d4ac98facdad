sudo apt update && sudo apt install -y tmux curl
tmux new -d -s backend1 'cd ~/backend1 && python3 -m http.server 8081'
tmux new -d -s backend2 'cd ~/backend2 && python3 -m http.server 8082'
tmux ls
sleep 2
curl localhost:8081; curl localhost:8082

student@ubuntu:~$ mkdir -p ~/backend1 ~/backend2
student@ubuntu:~$ echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
student@ubuntu:~$ cd ~/backend1
student@ubuntu:~/backend1$ python3 -m http.server 8081 &
[1] 2311
student@ubuntu:~/backend1$ curl localhost:8081
<h1>Response from Backend Server 1</h1>

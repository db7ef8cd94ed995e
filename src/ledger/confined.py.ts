/**
 * Runs inside of the new namespaces, before the child: a network of its own has no loopback until somebody brings it up,
 * and nothing listens there. What connects to `127.0.0.1:PORT` is handed on to a Unix socket, which lies in the file
 * system and not in the network. Python 3.8 or newer: whoever runs Alembic has it.
 *
 * argv: socket, port, number of files to hide, these files, the command. Without a command it is only tried.
 */
export const confinedScript = `
import fcntl, os, signal, socket, struct, subprocess, sys, threading, time

target, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
hidden, command = sys.argv[4 : 4 + count], sys.argv[4 + count :]


def prepare():
    for path in hidden:
        mount = ["mount", "--bind", "/dev/null", path]
        done = subprocess.run(mount, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # A server that has ended meanwhile took its socket away: mount's words would be among the child's.
        if done.returncode != 0 and os.path.exists(path):
            sys.exit("cannot hide " + path + ": " + done.stderr.decode(errors="replace").strip())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        SIOCSIFFLAGS, IFF_UP = 0x8914, 1
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    return socket.create_server(("127.0.0.1", port), backlog=128)


def connect():
    server = socket.socket(socket.AF_UNIX)
    server.connect(target)
    return server


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def forward(client):
    try:
        server = connect()
    except OSError:
        client.close()
        return
    back = threading.Thread(target=pump, args=(server, client), daemon=True)
    back.start()
    pump(client, server)
    back.join()
    client.close()
    server.close()


def listen(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=forward, args=(client,), daemon=True).start()


listener = prepare()
if not command:
    connect().close()
    sys.exit()
child = os.getpid()
if os.fork() == 0:
    # Told to stop, the child may still have something to say to the server.
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    threading.Thread(target=listen, args=(listener,), daemon=True).start()
    while os.getppid() == child:
        time.sleep(0.1)
    os._exit(0)
listener.close()
try:
    os.execvp(command[0], command)
except OSError as error:
    sys.exit(command[0] + " cannot be executed: " + str(error.strerror))
`;

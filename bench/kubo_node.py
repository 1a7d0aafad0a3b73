"""A real Kubo for the benches: one node of tools/kubo in a directory of its own, with blocks."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import tempfile
import urllib.parse

from driver import ROOT


@contextlib.contextmanager
def real_kubo():
    """Its URL."""
    with tempfile.TemporaryDirectory(prefix="pinfold-bench-kubo-") as d:
        env = {**os.environ, "KUBO_NODES_DIR": d}
        tool = ROOT / "tools/kubo"
        try:
            said = subprocess.run([tool, "start", "1"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
            yield json.loads(said.strip().splitlines()[-1])["api"]
        finally:
            subprocess.run([tool, "wipe"], env=env, check=False, stdout=subprocess.DEVNULL)


def _put(url, bytes_):
    c = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    body = (b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n" + bytes_ + b"\r\n--x--\r\n")
    c.request("POST", "/api/v0/block/put?cid-codec=raw", body, {"Content-Type": "multipart/form-data; boundary=x"})
    cid = json.loads(c.getresponse().read())["Key"]
    c.close()
    return cid


def put_blocks(url, n, where):
    """`n` new blocks of 1 KiB on the node; their CIDs, a line each, in the file `where`."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        cids = list(pool.map(lambda _: _put(url, os.urandom(1024)), range(n)))
    pathlib.Path(where).write_text("\n".join(cids) + "\n")
    return cids

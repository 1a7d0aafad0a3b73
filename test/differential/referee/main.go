// referee says what the Go libraries make of many inputs, one a line: go-cid, go-multiaddr,
// go-libp2p's peer ids, oklog's ULIDs, the standard library's times and durations.
//
//	referee cid|multiaddr|peer_id|ulid|time|duration
//	in   "t <hex of a text>" or "b <hex of bytes>"
//	out  "- <why>" or "+ <hex of the bytes> <hex of the canonical text>"
//
// The text of a CID is the one in the base that was given.  The bytes of a time or duration are its
// microseconds, big-endian; of kind "n" are durations whose nanoseconds are meant as microseconds.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multibase"
	"github.com/oklog/ulid/v2"
)

func judgeCid(kind byte, input []byte) ([]byte, string, error) {
	if kind == 'b' {
		c, err := cid.Cast(input)
		return c.Bytes(), c.String(), err
	}
	c, err := cid.Decode(string(input))
	if err != nil {
		return nil, "", err
	}
	base, err := cid.ExtractEncoding(string(input))
	if err != nil {
		return nil, "", err
	}
	if c.Version() == 0 {
		base = multibase.Base58BTC
	}
	text, err := c.StringOfBase(base)
	return c.Bytes(), text, err
}

func judgeMultiaddr(kind byte, input []byte) ([]byte, string, error) {
	var m multiaddr.Multiaddr
	var err error
	if kind == 'b' {
		m, err = multiaddr.NewMultiaddrBytes(input)
	} else {
		m, err = multiaddr.NewMultiaddr(string(input))
	}
	if err != nil {
		return nil, "", err
	}
	return m.Bytes(), m.String(), nil
}

func judgePeerId(kind byte, input []byte) ([]byte, string, error) {
	var id peer.ID
	var err error
	if kind == 'b' {
		id, err = peer.IDFromBytes(input)
	} else {
		id, err = peer.Decode(string(input))
	}
	return []byte(id), id.String(), err
}

func judgeUlid(_ byte, input []byte) ([]byte, string, error) {
	id, err := ulid.ParseStrict(string(input))
	return id.Bytes(), fmt.Sprintf("%s %d", id, id.Time()), err
}

func bigEndian(n int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n))
}

func judgeTime(_ byte, input []byte) ([]byte, string, error) {
	t, err := time.Parse(time.RFC3339Nano, string(input))
	return bigEndian(t.UnixMicro()), t.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), err
}

func judgeDuration(kind byte, input []byte) ([]byte, string, error) {
	d, err := time.ParseDuration(string(input))
	us := d.Microseconds()
	if kind == 'n' {
		us = d.Nanoseconds()
	}
	return bigEndian(us), fmt.Sprint(us), err
}

var judges = map[string]func(kind byte, input []byte) ([]byte, string, error){
	"cid":       judgeCid,
	"multiaddr": judgeMultiaddr,
	"peer_id":   judgePeerId,
	"ulid":      judgeUlid,
	"time":      judgeTime,
	"duration":  judgeDuration,
}

func main() {
	judge := judges[os.Args[1]]
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		line := in.Text()
		input, err := hex.DecodeString(line[2:])
		if err != nil {
			fmt.Fprintln(os.Stderr, "bad line:", line)
			os.Exit(2)
		}
		if bytes, text, err := judge(line[0], input); err != nil {
			fmt.Fprintf(out, "- %q\n", err.Error())
		} else {
			fmt.Fprintf(out, "+ %x %x\n", bytes, text)
		}
	}
}

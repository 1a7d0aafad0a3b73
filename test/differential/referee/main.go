// referee says what go-cid or go-multiaddr makes of many inputs, one a line.
//
//	referee cid|multiaddr
//	in   "t <hex of a text>" or "b <hex of bytes>"
//	out  "- <why>" or "+ <hex of the bytes> <hex of the canonical text>"
//
// The text of a CID is the one in the base that was given.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multibase"
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

func main() {
	judge := judgeCid
	if len(os.Args) == 2 && os.Args[1] == "multiaddr" {
		judge = judgeMultiaddr
	}
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

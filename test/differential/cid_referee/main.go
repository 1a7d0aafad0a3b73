// cid_referee reads lines "t <hex of a text>" or "b <hex of bytes>" and says what
// go-cid makes of each: "- <why>" or "+ <hex of the bytes> <hex of the text in the same base>".
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multibase"
)

func judge(kind byte, input []byte) (cid.Cid, multibase.Encoding, error) {
	if kind == 'b' {
		c, err := cid.Cast(input)
		return c, multibase.Base32, err
	}
	c, err := cid.Decode(string(input))
	if err != nil {
		return c, multibase.Base32, err
	}
	base, err := cid.ExtractEncoding(string(input))
	return c, base, err
}

func main() {
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
		c, base, err := judge(line[0], input)
		if err != nil {
			fmt.Fprintf(out, "- %q\n", err.Error())
			continue
		}
		text := c.String()
		if c.Version() == 1 {
			if text, err = c.StringOfBase(base); err != nil {
				fmt.Fprintf(out, "- %q\n", err.Error())
				continue
			}
		}
		fmt.Fprintf(out, "+ %x %x\n", c.Bytes(), text)
	}
}

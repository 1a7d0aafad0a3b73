// cluster_referee says what ipfs-cluster's own protobuf code makes of many pins, one a line.
//
//	in   "b <hex of a message>"
//	out  "- <why>" or "+ <hex of it encoded again> <hex of its fields as text>"
//
// Metadata is read from both of its fields, as ipfs-cluster does, and written as the sorted one.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/ipfs-cluster/ipfs-cluster/api/pb"
	"google.golang.org/protobuf/proto"
)

func list(items [][]byte) string {
	var b strings.Builder
	for _, item := range items {
		fmt.Fprintf(&b, "%x,", item)
	}
	return b.String()
}

func judge(input []byte) ([]byte, string, error) {
	pin := &pb.Pin{}
	if err := proto.Unmarshal(input, pin); err != nil {
		return nil, "", err
	}
	if pin.Options == nil {
		pin.Options = &pb.PinOptions{}
	}
	o := pin.Options
	all := map[string]string{}
	for key, value := range o.GetMetadata() {
		all[key] = value
	}
	for _, pair := range o.SortedMetadata {
		all[pair.Key] = pair.Value
	}
	keys := []string{}
	for key := range all {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	o.Metadata, o.SortedMetadata = nil, nil
	meta := ""
	for _, key := range keys {
		o.SortedMetadata = append(o.SortedMetadata, &pb.Metadata{Key: key, Value: all[key]})
		meta += fmt.Sprintf("%x:%x,", key, all[key])
	}
	text := fmt.Sprintf("%x %d %s %d %x %d %d %x %d %s %x %d %s %d", pin.Cid, pin.Type,
		list(pin.Allocations), pin.MaxDepth, pin.Reference, o.ReplicationFactorMin,
		o.ReplicationFactorMax, o.Name, o.ShardSize, meta, o.PinUpdate, o.ExpireAt,
		list(o.Origins), pin.Timestamp)
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(pin)
	return bytes, text, err
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		input, err := hex.DecodeString(in.Text()[2:])
		if err != nil {
			panic(err)
		}
		bytes, text, err := judge(input)
		if err != nil {
			fmt.Fprintf(out, "- %v\n", err)
		} else {
			fmt.Fprintf(out, "+ %x %x\n", bytes, text)
		}
	}
}

module cluster_referee

go 1.22

require (
	github.com/ipfs-cluster/ipfs-cluster v1.1.0
	google.golang.org/protobuf v1.33.0
)

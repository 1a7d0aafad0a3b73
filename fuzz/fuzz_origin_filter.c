#include "fuzz_target.h"
#include "model/origin_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = SLICE_OF(data, size);
	struct multiaddr addr;
	struct ip_net net;
	struct err err;

	if (ip_net_parse(input, &net, &err)) {
		assert(ip_net_has(&net, &net.base) || net.bits < 96);
		if (ip_net_has(&net, &net.base) && !origin_filter_ip(&net.base, NULL, 0, &err))
			assert(err.code == ERR_DENIED);
	}
	if (multiaddr_decode(input, &addr, &err))
		origin_filter_check(&addr, NULL, 0, &err);
	return 0;
}

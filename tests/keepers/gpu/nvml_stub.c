/* A stand-in for libnvidia-ml.so.1 that drives the real binding. It is described by the file that NVML_STUB names:
 *   init CODE | count CODE N | device NAME|UUID|PCI|TOTAL|USED|UTIL|TEMP|POWER|MIG|ECC|REASONS | fail INDEX CODE | hang INDEX
 * A field of "-" is not supported by the device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX 16
enum { OK = 0, NOT_SUPPORTED = 3, INVALID = 2 };
typedef struct { char name[96], uuid[96]; unsigned pci; unsigned long long total, used, ecc, reasons;
                 int util, temp, power, mig, has_ecc, has_reasons, fail, hang; } device;
static device all[MAX];
static int devices, init_code, count_code, count_value;

static long number(const char *text, long missing) { return strcmp(text, "-") ? strtol(text, 0, 0) : missing; }

static void load(void) {
    devices = init_code = count_code = 0; count_value = -1;
    const char *path = getenv("NVML_STUB");
    FILE *file = path ? fopen(path, "r") : 0;
    char line[1024];
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        int index, code;
        if (sscanf(line, "init %d", &code) == 1) init_code = code;
        else if (sscanf(line, "count %d %d", &code, &index) == 2) { count_code = code; count_value = index; }
        else if (sscanf(line, "fail %d %d", &index, &code) == 2) all[index].fail = code;
        else if (sscanf(line, "hang %d", &index) == 1) all[index].hang = 1;
        else if (!strncmp(line, "device ", 7) && devices < MAX) {
            char *field[11], *rest = line + 7;
            for (int i = 0; i < 11; i++) field[i] = strsep(&rest, "|");
            device *d = &all[devices++];
            memset(d, 0, sizeof *d);
            snprintf(d->name, sizeof d->name, "%s", field[0]);
            snprintf(d->uuid, sizeof d->uuid, "%s", field[1]);
            d->pci = number(field[2], 0);
            d->total = (unsigned long long)number(field[3], 0) << 20;
            d->used = (unsigned long long)number(field[4], 0) << 20;
            d->util = number(field[5], -1); d->temp = number(field[6], -1); d->power = number(field[7], -1);
            d->mig = number(field[8], -1);
            d->has_ecc = strcmp(field[9], "-"); d->ecc = number(field[9], 0);
            d->has_reasons = strcmp(field[10], "-"); d->reasons = number(field[10], 0);
        }
    }
    fclose(file);
}

static int state(device *d) { while (d->hang) sleep(1); return d->fail; }
static int give(device *d, int value, unsigned *out) {
    int code = state(d);
    if (code) return code;
    if (value < 0) return NOT_SUPPORTED;
    *out = value;
    return OK;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; load(); return init_code; }
int nvmlShutdown(void) { return OK; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "550.54.15"); return OK; }
int nvmlDeviceGetCount_v2(unsigned *out) { load(); *out = count_value >= 0 ? count_value : devices; return count_code; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **out) {
    if ((int)index >= devices) return INVALID;
    *out = &all[index];
    return state(*out);
}
int nvmlDeviceGetName(device *d, char *out, unsigned size) { snprintf(out, size, "%s", d->name); return state(d); }
int nvmlDeviceGetUUID(device *d, char *out, unsigned size) { snprintf(out, size, "%s", d->uuid); return state(d); }
typedef struct { char legacy[16]; unsigned domain, bus, device, id, sub; char bus_id[32]; } pci_info;
int nvmlDeviceGetPciInfo_v3(device *d, pci_info *out) { memset(out, 0, sizeof *out); out->id = d->pci; return state(d); }
typedef struct { unsigned long long total, free, used; } memory_info;
int nvmlDeviceGetMemoryInfo(device *d, memory_info *out) {
    out->total = d->total; out->used = d->used; out->free = d->total - d->used;
    return state(d);
}
typedef struct { unsigned gpu, memory; } rates;
int nvmlDeviceGetUtilizationRates(device *d, rates *out) { out->memory = 0; return give(d, d->util, &out->gpu); }
int nvmlDeviceGetTemperature(device *d, int sensor, unsigned *out) { (void)sensor; return give(d, d->temp, out); }
int nvmlDeviceGetPowerUsage(device *d, unsigned *out) { return give(d, d->power, out); }
int nvmlDeviceGetMigMode(device *d, unsigned *now, unsigned *next) { *next = 0; return give(d, d->mig, now); }
int nvmlDeviceGetDisplayActive(device *d, unsigned *out) { *out = 0; return state(d); }
int nvmlDeviceGetTotalEccErrors(device *d, int type, int counter, unsigned long long *out) {
    (void)type; (void)counter; *out = d->ecc;
    return d->has_ecc ? state(d) : NOT_SUPPORTED;
}
int nvmlDeviceGetCurrentClocksEventReasons(device *d, unsigned long long *out) {
    *out = d->reasons;
    return d->has_reasons ? state(d) : NOT_SUPPORTED;
}
const char *nvmlErrorString(int code) { (void)code; return "stub error"; }

/* A stand-in for NVIDIA's library: answers what a small control file says, read anew at every call.
 *
 * The file named by TIDEGATE_NVML_STUB holds lines "key=value":
 *   driver=580.1        version                    cards=2             how many
 *   init.error=9        nvmlInit fails with that   log=PATH            every call's name is appended there
 *   0.name= 0.uuid= 0.bus= 0.total= 0.used= 0.utilisation= 0.temperature= 0.power_mw=
 *   0.compute=12:1000,13:?   pid:bytes ("?" is unknown)     0.graphics= likewise
 *   0.work=12:70@5,13:20@6   pid:percent@seconds: the records of who worked; those not after the asked stamp are left out
 *   0.error=15          every call to card 0 fails with that
 *   0.error.power=3     that one call does (memory utilisation temperature power compute graphics work uuid handle)
 *   0.hang=memory       that call does not return while the line stands there
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, UNINITIALIZED = 1, INVALID_ARGUMENT = 2 };

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilisation_t;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } process_t;
typedef struct { unsigned pid; unsigned long long stamp_us; unsigned sm, memory, encoder, decoder; } work_t;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;

static int opened = 0;
static int cards[16];

static int lookup(const char *key, char *value, size_t size) {
    const char *path = getenv("TIDEGATE_NVML_STUB");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[4096];
    int found = 0;
    size_t length = strlen(key);
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, key, length) == 0 && line[length] == '=') {
            snprintf(value, size, "%s", line + length + 1);
            found = 1;
        }
    }
    if (file) fclose(file);
    return found;
}

static int lookup_card(int card, const char *key, char *value, size_t size) {
    char full[128];
    snprintf(full, sizeof full, "%d.%s", card, key);
    return lookup(full, value, size);
}

static unsigned long long number(int card, const char *key) {
    char value[64];
    return lookup_card(card, key, value, sizeof value) ? strtoull(value, NULL, 10) : 0;
}

static void note(const char *name) {
    char path[1024];
    if (!lookup("log", path, sizeof path)) return;
    FILE *file = fopen(path, "a");
    if (file) {
        fprintf(file, "%s\n", name);
        fclose(file);
    }
}

static int enter(const int *handle, const char *call) {
    char value[256], key[64];
    note(call);
    if (!opened) return UNINITIALIZED;
    if (!handle) return INVALID_ARGUMENT;
    int card = (int)(handle - cards);
    while (lookup_card(card, "hang", value, sizeof value) && strcmp(value, call) == 0) usleep(10000);
    if (lookup_card(card, "error", value, sizeof value)) return atoi(value);
    snprintf(key, sizeof key, "error.%s", call);
    if (lookup_card(card, key, value, sizeof value)) return atoi(value);
    return SUCCESS;
}

#define ENTER(call) int answer = enter(handle, call); if (answer != SUCCESS) return answer; int card = (int)(handle - cards)

int nvmlInitWithFlags(unsigned flags) {
    char value[64];
    (void)flags;
    note("init");
    if (lookup("init.error", value, sizeof value)) return atoi(value);
    opened++;
    return SUCCESS;
}

int nvmlShutdown(void) {
    note("shutdown");
    if (!opened) return UNINITIALIZED;
    opened--;
    return SUCCESS;
}

const char *nvmlErrorString(int code) {
    switch (code) {
    case 1: return "Uninitialized";
    case 3: return "Not Supported";
    case 6: return "Not Found";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    char value[80] = "0";
    lookup("driver", value, sizeof value);
    snprintf(version, length, "%s", value);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    char value[16] = "0";
    if (!opened) return UNINITIALIZED;
    lookup("cards", value, sizeof value);
    *count = (unsigned)atoi(value);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, int **handle) {
    *handle = &cards[index];
    return enter(*handle, "handle");
}

int nvmlDeviceGetUUID(int *handle, char *uuid, unsigned length) {
    char value[96] = "";
    ENTER("uuid");
    lookup_card(card, "uuid", value, sizeof value);
    snprintf(uuid, length, "%s", value);
    return SUCCESS;
}

int nvmlDeviceGetName(int *handle, char *name, unsigned length) {
    char value[96] = "";
    ENTER("name");
    lookup_card(card, "name", value, sizeof value);
    snprintf(name, length, "%s", value);
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(int *handle, pci_t *pci) {
    char value[32] = "";
    ENTER("pci");
    memset(pci, 0, sizeof *pci);
    lookup_card(card, "bus", value, sizeof value);
    snprintf(pci->bus_id, sizeof pci->bus_id, "%s", value);
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(int *handle, memory_t *memory) {
    ENTER("memory");
    memory->total = number(card, "total");
    memory->used = number(card, "used");
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(int *handle, utilisation_t *rates) {
    ENTER("utilisation");
    rates->gpu = (unsigned)number(card, "utilisation");
    rates->memory = 0;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(int *handle, int sensor, unsigned *temperature) {
    ENTER("temperature");
    (void)sensor;
    *temperature = (unsigned)number(card, "temperature");
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(int *handle, unsigned *power_mw) {
    ENTER("power");
    *power_mw = (unsigned)number(card, "power_mw");
    return SUCCESS;
}

static int processes(int *handle, const char *list, unsigned *count, process_t *infos) {
    char value[4096] = "";
    ENTER(list);
    lookup_card(card, list, value, sizeof value);
    unsigned room = *count, found = 0;
    for (char *item = strtok(value, ","); item; item = strtok(NULL, ",")) {
        char *colon = strchr(item, ':');
        if (infos && found < room) {
            memset(&infos[found], 0, sizeof *infos);
            infos[found].pid = (unsigned)atoi(item);
            infos[found].memory = colon && colon[1] != '?' ? strtoull(colon + 1, NULL, 10) : ~0ULL;
        }
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(int *handle, unsigned *count, process_t *infos) {
    return processes(handle, "compute", count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(int *handle, unsigned *count, process_t *infos) {
    return processes(handle, "graphics", count, infos);
}

int nvmlDeviceGetProcessUtilization(int *handle, work_t *records, unsigned *count, unsigned long long since_us) {
    char value[4096] = "";
    ENTER("work");
    lookup_card(card, "work", value, sizeof value);
    unsigned room = *count, found = 0;
    for (char *item = strtok(value, ","); item; item = strtok(NULL, ",")) {
        char *colon = strchr(item, ':'), *at = strchr(item, '@');
        unsigned long long stamp_us = at ? strtoull(at + 1, NULL, 10) * 1000000 : 0;
        if (!colon || stamp_us <= since_us) continue;
        if (records && found < room) {
            memset(&records[found], 0, sizeof *records);
            records[found].pid = (unsigned)atoi(item);
            records[found].sm = (unsigned)atoi(colon + 1);
            records[found].stamp_us = stamp_us;
        }
        found++;
    }
    *count = found;
    if (!found) return NOT_FOUND;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

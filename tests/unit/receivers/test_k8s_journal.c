#include "k8s_entities_world.h"
int main(void){return 0;}

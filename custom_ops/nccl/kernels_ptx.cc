// Made from kernels.cu by make_ptx.sh: do not edit. The driver compiles it for the GPU it finds.
#include "nccl/kernels.h"

namespace tf_ddl {

const char kKernelsSource[] = "8932caa3122378df";

const char kKernelsPtx[] = R"PTX(
.version 7.0
.target sm_70
.address_size 64
.visible .entry ddl_pack_bf16(
	.param .align 8 .b8 ddl_pack_bf16_param_0[3848],
	.param .u64 ddl_pack_bf16_param_1
)
{
	.reg .pred 	%p<22>;
	.reg .b16 	%rs<5>;
	.reg .b32 	%r<54>;
	.reg .b64 	%rd<103>;
	mov.b64 	%rd48, ddl_pack_bf16_param_0;
	ld.param.u64 	%rd47, [ddl_pack_bf16_param_1];
	cvta.to.global.u64 	%rd2, %rd47;
	ld.param.u64 	%rd3, [ddl_pack_bf16_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd49, %rd3, 3;
	add.s64 	%rd50, %rd48, 1280;
	add.s64 	%rd51, %rd50, %rd49;
	ld.param.u64 	%rd52, [%rd51+1272];
	ld.param.u64 	%rd53, [%rd51+-8];
	add.s64 	%rd5, %rd52, %rd53;
	mov.u32 	%r1, %ctaid.x;
	mul.wide.u32 	%rd54, %r1, 4096;
	ld.param.u64 	%rd55, [ddl_pack_bf16_param_0+1280];
	add.s64 	%rd92, %rd55, %rd54;
	setp.ge.s64 	%p1, %rd92, %rd5;
	@%p1 bra 	$L__BB0_21;
	mov.u32 	%r2, %tid.x;
	cvt.u64.u32 	%rd7, %r2;
	mov.u32 	%r3, %ntid.x;
	cvt.u64.u32 	%rd8, %r3;
	mul.wide.u32 	%rd9, %r2, 4;
	mul.wide.u32 	%rd10, %r3, 16;
	shl.b64 	%rd56, %rd9, 1;
	add.s64 	%rd11, %rd2, %rd56;
	mul.wide.u32 	%rd12, %r3, 8;
	mov.u32 	%r4, %nctaid.x;
	mul.wide.u32 	%rd13, %r4, 4096;
$L__BB0_2:
	.pragma "nounroll";
	add.s64 	%rd15, %rd92, 4096;
	setp.lt.s64 	%p2, %rd3, 2;
	mov.u64 	%rd95, 0;
	@%p2 bra 	$L__BB0_5;
	mov.u64 	%rd95, 0;
	mov.u64 	%rd93, %rd4;
$L__BB0_4:
	.pragma "nounroll";
	add.s64 	%rd59, %rd95, %rd93;
	add.s64 	%rd60, %rd59, 1;
	shr.u64 	%rd61, %rd60, 63;
	add.s64 	%rd62, %rd60, %rd61;
	shr.s64 	%rd63, %rd62, 1;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd65, %rd48, %rd64;
	ld.param.u64 	%rd66, [%rd65+1280];
	setp.le.s64 	%p3, %rd66, %rd92;
	add.s64 	%rd67, %rd63, -1;
	selp.b64 	%rd95, %rd63, %rd95, %p3;
	selp.b64 	%rd93, %rd93, %rd67, %p3;
	setp.lt.s64 	%p4, %rd95, %rd93;
	@%p4 bra 	$L__BB0_4;
$L__BB0_5:
	setp.ge.s64 	%p5, %rd95, %rd3;
	@%p5 bra 	$L__BB0_20;
$L__BB0_6:
	.pragma "nounroll";
	shl.b64 	%rd68, %rd95, 3;
	add.s64 	%rd69, %rd48, %rd68;
	add.s64 	%rd22, %rd69, 1280;
	ld.param.u64 	%rd23, [%rd69+1280];
	setp.ge.s64 	%p6, %rd23, %rd15;
	@%p6 bra 	$L__BB0_20;
	setp.le.s64 	%p7, %rd23, %rd92;
	mov.u64 	%rd97, %rd92;
	@%p7 bra 	$L__BB0_9;
	mov.u64 	%rd97, %rd23;
$L__BB0_9:
	ld.param.u64 	%rd70, [%rd22+1280];
	ld.param.u64 	%rd25, [%rd22];
	add.s64 	%rd71, %rd70, %rd25;
	min.s64 	%rd72, %rd71, %rd15;
	sub.s64 	%rd26, %rd72, %rd97;
	setp.lt.s64 	%p8, %rd26, 1;
	@%p8 bra 	$L__BB0_19;
	ld.param.u64 	%rd74, [%rd22+-1280];
	mov.u64 	%rd101, 0;
	cvta.to.global.u64 	%rd27, %rd74;
	sub.s64 	%rd28, %rd97, %rd25;
	shl.b64 	%rd75, %rd28, 2;
	add.s64 	%rd76, %rd74, %rd75;
	and.b64  	%rd77, %rd76, 15;
	setp.ne.s64 	%p9, %rd77, 0;
	@%p9 bra 	$L__BB0_16;
	shl.b64 	%rd79, %rd97, 1;
	add.s64 	%rd80, %rd47, %rd79;
	and.b64  	%rd81, %rd80, 7;
	setp.ne.s64 	%p10, %rd81, 0;
	@%p10 bra 	$L__BB0_16;
	shr.u64 	%rd29, %rd26, 2;
	setp.le.u64 	%p11, %rd29, %rd7;
	@%p11 bra 	$L__BB0_15;
	shl.b64 	%rd82, %rd9, 2;
	add.s64 	%rd83, %rd27, %rd82;
	add.s64 	%rd99, %rd83, %rd75;
	add.s64 	%rd98, %rd11, %rd79;
	mov.u64 	%rd100, %rd7;
$L__BB0_14:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd99];
	and.b32  	%r10, %r5, 2147483647;
	setp.gt.u32 	%p12, %r10, 2139095040;
	shr.u32 	%r11, %r5, 16;
	or.b32  	%r12, %r11, 64;
	and.b32  	%r13, %r11, 1;
	add.s32 	%r14, %r5, %r13;
	add.s32 	%r15, %r14, 32767;
	shr.u32 	%r16, %r15, 16;
	selp.b32 	%r17, %r12, %r16, %p12;
	and.b32  	%r19, %r6, 2147483647;
	setp.gt.u32 	%p13, %r19, 2139095040;
	shr.u32 	%r20, %r6, 16;
	or.b32  	%r21, %r20, 64;
	and.b32  	%r22, %r20, 1;
	add.s32 	%r23, %r6, %r22;
	add.s32 	%r24, %r23, 32767;
	shr.u32 	%r25, %r24, 16;
	selp.b32 	%r26, %r21, %r25, %p13;
	and.b32  	%r28, %r7, 2147483647;
	setp.gt.u32 	%p14, %r28, 2139095040;
	shr.u32 	%r29, %r7, 16;
	or.b32  	%r30, %r29, 64;
	and.b32  	%r31, %r29, 1;
	add.s32 	%r32, %r7, %r31;
	add.s32 	%r33, %r32, 32767;
	shr.u32 	%r34, %r33, 16;
	selp.b32 	%r35, %r30, %r34, %p14;
	and.b32  	%r37, %r8, 2147483647;
	setp.gt.u32 	%p15, %r37, 2139095040;
	shr.u32 	%r38, %r8, 16;
	or.b32  	%r39, %r38, 64;
	and.b32  	%r40, %r38, 1;
	add.s32 	%r41, %r8, %r40;
	add.s32 	%r42, %r41, 32767;
	shr.u32 	%r43, %r42, 16;
	selp.b32 	%r44, %r39, %r43, %p15;
	cvt.u16.u32 	%rs1, %r44;
	cvt.u16.u32 	%rs2, %r35;
	cvt.u16.u32 	%rs3, %r26;
	cvt.u16.u32 	%rs4, %r17;
	st.global.v4.u16 	[%rd98], {%rs4, %rs3, %rs2, %rs1};
	add.s64 	%rd99, %rd99, %rd10;
	add.s64 	%rd98, %rd98, %rd12;
	add.s64 	%rd100, %rd100, %rd8;
	setp.lt.u64 	%p16, %rd100, %rd29;
	@%p16 bra 	$L__BB0_14;
$L__BB0_15:
	and.b64  	%rd101, %rd26, -4;
$L__BB0_16:
	add.s64 	%rd102, %rd101, %rd7;
	setp.ge.s64 	%p17, %rd102, %rd26;
	add.s64 	%rd41, %rd27, %rd75;
	@%p17 bra 	$L__BB0_19;
	shl.b64 	%rd87, %rd97, 1;
	add.s64 	%rd42, %rd2, %rd87;
$L__BB0_18:
	.pragma "nounroll";
	shl.b64 	%rd88, %rd102, 2;
	add.s64 	%rd89, %rd41, %rd88;
	ld.global.u32 	%r45, [%rd89];
	and.b32  	%r46, %r45, 2147483647;
	setp.gt.u32 	%p18, %r46, 2139095040;
	shr.u32 	%r47, %r45, 16;
	or.b32  	%r48, %r47, 64;
	and.b32  	%r49, %r47, 1;
	add.s32 	%r50, %r45, %r49;
	add.s32 	%r51, %r50, 32767;
	shr.u32 	%r52, %r51, 16;
	selp.b32 	%r53, %r48, %r52, %p18;
	shl.b64 	%rd90, %rd102, 1;
	add.s64 	%rd91, %rd42, %rd90;
	st.global.u16 	[%rd91], %r53;
	add.s64 	%rd102, %rd102, %rd8;
	setp.lt.s64 	%p19, %rd102, %rd26;
	@%p19 bra 	$L__BB0_18;
$L__BB0_19:
	add.s64 	%rd95, %rd95, 1;
	setp.lt.s64 	%p20, %rd95, %rd3;
	@%p20 bra 	$L__BB0_6;
$L__BB0_20:
	add.s64 	%rd92, %rd92, %rd13;
	setp.lt.s64 	%p21, %rd92, %rd5;
	@%p21 bra 	$L__BB0_2;
$L__BB0_21:
	ret;
}
.visible .entry ddl_pack_f16(
	.param .align 8 .b8 ddl_pack_f16_param_0[3848],
	.param .u64 ddl_pack_f16_param_1
)
{
	.reg .pred 	%p<28>;
	.reg .b16 	%rs<11>;
	.reg .f32 	%f<19>;
	.reg .b32 	%r<5>;
	.reg .b64 	%rd<146>;
	mov.b64 	%rd65, ddl_pack_f16_param_0;
	ld.param.u64 	%rd64, [ddl_pack_f16_param_1];
	cvta.to.global.u64 	%rd2, %rd64;
	add.s64 	%rd3, %rd65, 3840;
	ld.param.u64 	%rd4, [ddl_pack_f16_param_0+3840];
	add.s64 	%rd5, %rd4, -1;
	shl.b64 	%rd66, %rd4, 3;
	add.s64 	%rd67, %rd65, 1280;
	add.s64 	%rd68, %rd67, %rd66;
	ld.param.u64 	%rd69, [%rd68+1272];
	ld.param.u64 	%rd70, [%rd68+-8];
	add.s64 	%rd6, %rd69, %rd70;
	mov.u32 	%r1, %nctaid.x;
	mul.wide.u32 	%rd7, %r1, 4096;
	mov.u32 	%r2, %ctaid.x;
	mul.wide.u32 	%rd71, %r2, 4096;
	ld.param.u64 	%rd72, [ddl_pack_f16_param_0+1280];
	add.s64 	%rd131, %rd72, %rd71;
	setp.ge.s64 	%p1, %rd131, %rd6;
	@%p1 bra 	$L__BB1_35;
	setp.gt.s64 	%p2, %rd4, 1;
	mov.u32 	%r3, %tid.x;
	cvt.u64.u32 	%rd9, %r3;
	mov.u32 	%r4, %ntid.x;
	cvt.u64.u32 	%rd10, %r4;
	@%p2 bra 	$L__BB1_16;
	bra.uni 	$L__BB1_2;
$L__BB1_16:
	shl.b64 	%rd28, %rd9, 2;
	shl.b64 	%rd29, %rd10, 4;
	shl.b64 	%rd96, %rd9, 3;
	add.s64 	%rd30, %rd2, %rd96;
	shl.b64 	%rd31, %rd10, 3;
	shl.b64 	%rd121, %rd28, 2;
$L__BB1_17:
	.pragma "nounroll";
	add.s64 	%rd33, %rd131, 4096;
	mov.u64 	%rd139, 0;
	mov.u64 	%rd137, %rd5;
$L__BB1_18:
	.pragma "nounroll";
	add.s64 	%rd98, %rd139, %rd137;
	add.s64 	%rd99, %rd98, 1;
	shr.u64 	%rd100, %rd99, 63;
	add.s64 	%rd101, %rd99, %rd100;
	shr.s64 	%rd102, %rd101, 1;
	shl.b64 	%rd103, %rd102, 3;
	add.s64 	%rd104, %rd65, %rd103;
	ld.param.u64 	%rd105, [%rd104+1280];
	setp.le.s64 	%p14, %rd105, %rd131;
	add.s64 	%rd106, %rd102, -1;
	selp.b64 	%rd139, %rd102, %rd139, %p14;
	selp.b64 	%rd137, %rd137, %rd106, %p14;
	setp.lt.s64 	%p15, %rd139, %rd137;
	@%p15 bra 	$L__BB1_18;
	setp.ge.s64 	%p16, %rd139, %rd4;
	@%p16 bra 	$L__BB1_34;
$L__BB1_20:
	.pragma "nounroll";
	shl.b64 	%rd107, %rd139, 3;
	add.s64 	%rd108, %rd65, %rd107;
	add.s64 	%rd39, %rd108, 1280;
	ld.param.u64 	%rd40, [%rd108+1280];
	setp.ge.s64 	%p17, %rd40, %rd33;
	@%p17 bra 	$L__BB1_34;
	setp.le.s64 	%p18, %rd40, %rd131;
	mov.u64 	%rd140, %rd131;
	@%p18 bra 	$L__BB1_23;
	mov.u64 	%rd140, %rd40;
$L__BB1_23:
	ld.param.u64 	%rd109, [%rd39+1280];
	ld.param.u64 	%rd42, [%rd39];
	add.s64 	%rd110, %rd109, %rd42;
	min.s64 	%rd111, %rd110, %rd33;
	sub.s64 	%rd43, %rd111, %rd140;
	setp.lt.s64 	%p19, %rd43, 1;
	@%p19 bra 	$L__BB1_33;
	ld.param.u64 	%rd113, [%rd39+-1280];
	mov.u64 	%rd144, 0;
	cvta.to.global.u64 	%rd44, %rd113;
	sub.s64 	%rd45, %rd140, %rd42;
	shl.b64 	%rd114, %rd45, 2;
	add.s64 	%rd115, %rd113, %rd114;
	and.b64  	%rd116, %rd115, 15;
	setp.ne.s64 	%p20, %rd116, 0;
	@%p20 bra 	$L__BB1_30;
	shl.b64 	%rd118, %rd140, 1;
	add.s64 	%rd119, %rd64, %rd118;
	and.b64  	%rd120, %rd119, 7;
	setp.ne.s64 	%p21, %rd120, 0;
	@%p21 bra 	$L__BB1_30;
	shr.u64 	%rd46, %rd43, 2;
	setp.le.u64 	%p22, %rd46, %rd9;
	@%p22 bra 	$L__BB1_29;
	add.s64 	%rd122, %rd44, %rd121;
	add.s64 	%rd142, %rd122, %rd114;
	add.s64 	%rd141, %rd30, %rd118;
	mov.u64 	%rd143, %rd9;
$L__BB1_28:
	.pragma "nounroll";
	ld.global.v4.f32 	{%f14, %f15, %f16, %f17}, [%rd142];
	// begin inline asm
	cvt.rn.f16.f32 %rs9, %f17;
	// end inline asm
	// begin inline asm
	cvt.rn.f16.f32 %rs8, %f16;
	// end inline asm
	// begin inline asm
	cvt.rn.f16.f32 %rs7, %f15;
	// end inline asm
	// begin inline asm
	cvt.rn.f16.f32 %rs6, %f14;
	// end inline asm
	st.global.v4.u16 	[%rd141], {%rs6, %rs7, %rs8, %rs9};
	add.s64 	%rd142, %rd142, %rd29;
	add.s64 	%rd141, %rd141, %rd31;
	add.s64 	%rd143, %rd143, %rd10;
	setp.lt.u64 	%p23, %rd143, %rd46;
	@%p23 bra 	$L__BB1_28;
$L__BB1_29:
	and.b64  	%rd144, %rd43, -4;
$L__BB1_30:
	add.s64 	%rd145, %rd144, %rd9;
	setp.ge.s64 	%p24, %rd145, %rd43;
	add.s64 	%rd58, %rd44, %rd114;
	@%p24 bra 	$L__BB1_33;
	shl.b64 	%rd126, %rd140, 1;
	add.s64 	%rd59, %rd2, %rd126;
$L__BB1_32:
	.pragma "nounroll";
	shl.b64 	%rd127, %rd145, 2;
	add.s64 	%rd128, %rd58, %rd127;
	ld.global.f32 	%f18, [%rd128];
	// begin inline asm
	cvt.rn.f16.f32 %rs10, %f18;
	// end inline asm
	shl.b64 	%rd129, %rd145, 1;
	add.s64 	%rd130, %rd59, %rd129;
	st.global.u16 	[%rd130], %rs10;
	add.s64 	%rd145, %rd145, %rd10;
	setp.lt.s64 	%p25, %rd145, %rd43;
	@%p25 bra 	$L__BB1_32;
$L__BB1_33:
	add.s64 	%rd139, %rd139, 1;
	setp.lt.s64 	%p26, %rd139, %rd4;
	@%p26 bra 	$L__BB1_20;
$L__BB1_34:
	add.s64 	%rd131, %rd131, %rd7;
	setp.lt.s64 	%p27, %rd131, %rd6;
	@%p27 bra 	$L__BB1_17;
	bra.uni 	$L__BB1_35;
$L__BB1_2:
	.pragma "nounroll";
	add.s64 	%rd12, %rd131, 4096;
	setp.ne.s64 	%p3, %rd4, 1;
	@%p3 bra 	$L__BB1_15;
	ld.param.u64 	%rd13, [%rd3+-2560];
	setp.ge.s64 	%p4, %rd13, %rd12;
	@%p4 bra 	$L__BB1_15;
	setp.le.s64 	%p5, %rd13, %rd131;
	mov.u64 	%rd132, %rd131;
	@%p5 bra 	$L__BB1_6;
	mov.u64 	%rd132, %rd13;
$L__BB1_6:
	ld.param.u64 	%rd73, [%rd3+-1280];
	ld.param.u64 	%rd15, [%rd3+-2560];
	add.s64 	%rd74, %rd73, %rd15;
	min.s64 	%rd75, %rd74, %rd12;
	sub.s64 	%rd16, %rd75, %rd132;
	setp.lt.s64 	%p6, %rd16, 1;
	@%p6 bra 	$L__BB1_15;
	ld.param.u64 	%rd77, [%rd3+-3840];
	mov.u64 	%rd134, 0;
	cvta.to.global.u64 	%rd78, %rd77;
	sub.s64 	%rd79, %rd132, %rd15;
	shl.b64 	%rd80, %rd79, 2;
	add.s64 	%rd17, %rd78, %rd80;
	add.s64 	%rd81, %rd77, %rd80;
	shl.b64 	%rd82, %rd132, 1;
	add.s64 	%rd18, %rd2, %rd82;
	and.b64  	%rd83, %rd81, 15;
	setp.ne.s64 	%p7, %rd83, 0;
	@%p7 bra 	$L__BB1_13;
	add.s64 	%rd86, %rd64, %rd82;
	and.b64  	%rd87, %rd86, 7;
	setp.ne.s64 	%p8, %rd87, 0;
	@%p8 bra 	$L__BB1_13;
	shr.u64 	%rd19, %rd16, 2;
	setp.le.u64 	%p9, %rd19, %rd9;
	@%p9 bra 	$L__BB1_12;
	mov.u64 	%rd133, %rd9;
$L__BB1_11:
	.pragma "nounroll";
	shl.b64 	%rd88, %rd133, 4;
	add.s64 	%rd89, %rd17, %rd88;
	ld.global.v4.f32 	{%f5, %f6, %f7, %f8}, [%rd89];
	shl.b64 	%rd90, %rd133, 3;
	add.s64 	%rd91, %rd18, %rd90;
	// begin inline asm
	cvt.rn.f16.f32 %rs4, %f8;
	// end inline asm
	// begin inline asm
	cvt.rn.f16.f32 %rs3, %f7;
	// end inline asm
	// begin inline asm
	cvt.rn.f16.f32 %rs2, %f6;
	// end inline asm
	// begin inline asm
	cvt.rn.f16.f32 %rs1, %f5;
	// end inline asm
	st.global.v4.u16 	[%rd91], {%rs1, %rs2, %rs3, %rs4};
	add.s64 	%rd133, %rd133, %rd10;
	setp.lt.u64 	%p10, %rd133, %rd19;
	@%p10 bra 	$L__BB1_11;
$L__BB1_12:
	and.b64  	%rd134, %rd16, -4;
$L__BB1_13:
	add.s64 	%rd135, %rd134, %rd9;
	setp.ge.s64 	%p11, %rd135, %rd16;
	@%p11 bra 	$L__BB1_15;
$L__BB1_14:
	.pragma "nounroll";
	shl.b64 	%rd92, %rd135, 2;
	add.s64 	%rd93, %rd17, %rd92;
	ld.global.f32 	%f9, [%rd93];
	// begin inline asm
	cvt.rn.f16.f32 %rs5, %f9;
	// end inline asm
	shl.b64 	%rd94, %rd135, 1;
	add.s64 	%rd95, %rd18, %rd94;
	st.global.u16 	[%rd95], %rs5;
	add.s64 	%rd135, %rd135, %rd10;
	setp.lt.s64 	%p12, %rd135, %rd16;
	@%p12 bra 	$L__BB1_14;
$L__BB1_15:
	add.s64 	%rd131, %rd131, %rd7;
	setp.lt.s64 	%p13, %rd131, %rd6;
	@%p13 bra 	$L__BB1_2;
$L__BB1_35:
	ret;
}
.visible .entry ddl_unpack_bf16(
	.param .align 8 .b8 ddl_unpack_bf16_param_0[3848],
	.param .u64 ddl_unpack_bf16_param_1,
	.param .f32 ddl_unpack_bf16_param_2
)
{
	.reg .pred 	%p<17>;
	.reg .b16 	%rs<9>;
	.reg .f32 	%f<12>;
	.reg .b32 	%r<15>;
	.reg .b64 	%rd<103>;
	mov.b64 	%rd48, ddl_unpack_bf16_param_0;
	ld.param.u64 	%rd47, [ddl_unpack_bf16_param_1];
	ld.param.f32 	%f1, [ddl_unpack_bf16_param_2];
	cvta.to.global.u64 	%rd2, %rd47;
	ld.param.u64 	%rd3, [ddl_unpack_bf16_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd49, %rd3, 3;
	add.s64 	%rd50, %rd48, 1280;
	add.s64 	%rd51, %rd50, %rd49;
	ld.param.u64 	%rd52, [%rd51+1272];
	ld.param.u64 	%rd53, [%rd51+-8];
	add.s64 	%rd5, %rd52, %rd53;
	mov.u32 	%r1, %ctaid.x;
	mul.wide.u32 	%rd54, %r1, 4096;
	ld.param.u64 	%rd55, [ddl_unpack_bf16_param_0+1280];
	add.s64 	%rd92, %rd55, %rd54;
	setp.ge.s64 	%p1, %rd92, %rd5;
	@%p1 bra 	$L__BB2_21;
	mov.u32 	%r2, %tid.x;
	cvt.u64.u32 	%rd7, %r2;
	mov.u32 	%r3, %ntid.x;
	cvt.u64.u32 	%rd8, %r3;
	mul.wide.u32 	%rd9, %r2, 4;
	shl.b64 	%rd56, %rd9, 1;
	add.s64 	%rd10, %rd2, %rd56;
	mul.wide.u32 	%rd11, %r3, 8;
	mul.wide.u32 	%rd12, %r3, 16;
	mov.u32 	%r4, %nctaid.x;
	mul.wide.u32 	%rd13, %r4, 4096;
$L__BB2_2:
	.pragma "nounroll";
	add.s64 	%rd15, %rd92, 4096;
	setp.lt.s64 	%p2, %rd3, 2;
	mov.u64 	%rd95, 0;
	@%p2 bra 	$L__BB2_5;
	mov.u64 	%rd95, 0;
	mov.u64 	%rd93, %rd4;
$L__BB2_4:
	.pragma "nounroll";
	add.s64 	%rd59, %rd95, %rd93;
	add.s64 	%rd60, %rd59, 1;
	shr.u64 	%rd61, %rd60, 63;
	add.s64 	%rd62, %rd60, %rd61;
	shr.s64 	%rd63, %rd62, 1;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd65, %rd48, %rd64;
	ld.param.u64 	%rd66, [%rd65+1280];
	setp.le.s64 	%p3, %rd66, %rd92;
	add.s64 	%rd67, %rd63, -1;
	selp.b64 	%rd95, %rd63, %rd95, %p3;
	selp.b64 	%rd93, %rd93, %rd67, %p3;
	setp.lt.s64 	%p4, %rd95, %rd93;
	@%p4 bra 	$L__BB2_4;
$L__BB2_5:
	setp.ge.s64 	%p5, %rd95, %rd3;
	@%p5 bra 	$L__BB2_20;
$L__BB2_6:
	.pragma "nounroll";
	shl.b64 	%rd68, %rd95, 3;
	add.s64 	%rd69, %rd48, %rd68;
	add.s64 	%rd22, %rd69, 1280;
	ld.param.u64 	%rd23, [%rd69+1280];
	setp.ge.s64 	%p6, %rd23, %rd15;
	@%p6 bra 	$L__BB2_20;
	setp.le.s64 	%p7, %rd23, %rd92;
	mov.u64 	%rd97, %rd92;
	@%p7 bra 	$L__BB2_9;
	mov.u64 	%rd97, %rd23;
$L__BB2_9:
	ld.param.u64 	%rd70, [%rd22+1280];
	ld.param.u64 	%rd25, [%rd22];
	add.s64 	%rd71, %rd70, %rd25;
	min.s64 	%rd72, %rd71, %rd15;
	sub.s64 	%rd26, %rd72, %rd97;
	setp.lt.s64 	%p8, %rd26, 1;
	@%p8 bra 	$L__BB2_19;
	ld.param.u64 	%rd74, [%rd22+-1280];
	mov.u64 	%rd101, 0;
	cvta.to.global.u64 	%rd27, %rd74;
	sub.s64 	%rd28, %rd97, %rd25;
	shl.b64 	%rd75, %rd28, 2;
	add.s64 	%rd76, %rd74, %rd75;
	and.b64  	%rd77, %rd76, 15;
	setp.ne.s64 	%p9, %rd77, 0;
	@%p9 bra 	$L__BB2_16;
	shl.b64 	%rd79, %rd97, 1;
	add.s64 	%rd80, %rd47, %rd79;
	and.b64  	%rd81, %rd80, 7;
	setp.ne.s64 	%p10, %rd81, 0;
	@%p10 bra 	$L__BB2_16;
	shr.u64 	%rd29, %rd26, 2;
	setp.le.u64 	%p11, %rd29, %rd7;
	@%p11 bra 	$L__BB2_15;
	add.s64 	%rd99, %rd10, %rd79;
	shl.b64 	%rd83, %rd9, 2;
	add.s64 	%rd84, %rd27, %rd83;
	add.s64 	%rd98, %rd84, %rd75;
	mov.u64 	%rd100, %rd7;
$L__BB2_14:
	.pragma "nounroll";
	ld.global.v4.u16 	{%rs1, %rs2, %rs3, %rs4}, [%rd99];
	cvt.u32.u16 	%r5, %rs1;
	shl.b32 	%r6, %r5, 16;
	mov.b32 	%f2, %r6;
	cvt.u32.u16 	%r7, %rs2;
	shl.b32 	%r8, %r7, 16;
	mov.b32 	%f3, %r8;
	cvt.u32.u16 	%r9, %rs3;
	shl.b32 	%r10, %r9, 16;
	mov.b32 	%f4, %r10;
	cvt.u32.u16 	%r11, %rs4;
	shl.b32 	%r12, %r11, 16;
	mov.b32 	%f5, %r12;
	div.rn.f32 	%f6, %f5, %f1;
	div.rn.f32 	%f7, %f4, %f1;
	div.rn.f32 	%f8, %f3, %f1;
	div.rn.f32 	%f9, %f2, %f1;
	st.global.v4.f32 	[%rd98], {%f9, %f8, %f7, %f6};
	add.s64 	%rd99, %rd99, %rd11;
	add.s64 	%rd98, %rd98, %rd12;
	add.s64 	%rd100, %rd100, %rd8;
	setp.lt.u64 	%p12, %rd100, %rd29;
	@%p12 bra 	$L__BB2_14;
$L__BB2_15:
	and.b64  	%rd101, %rd26, -4;
$L__BB2_16:
	add.s64 	%rd102, %rd101, %rd7;
	setp.ge.s64 	%p13, %rd102, %rd26;
	add.s64 	%rd41, %rd27, %rd75;
	@%p13 bra 	$L__BB2_19;
	shl.b64 	%rd87, %rd97, 1;
	add.s64 	%rd42, %rd2, %rd87;
$L__BB2_18:
	.pragma "nounroll";
	shl.b64 	%rd88, %rd102, 1;
	add.s64 	%rd89, %rd42, %rd88;
	ld.global.u16 	%r13, [%rd89];
	shl.b32 	%r14, %r13, 16;
	mov.b32 	%f10, %r14;
	div.rn.f32 	%f11, %f10, %f1;
	shl.b64 	%rd90, %rd102, 2;
	add.s64 	%rd91, %rd41, %rd90;
	st.global.f32 	[%rd91], %f11;
	add.s64 	%rd102, %rd102, %rd8;
	setp.lt.s64 	%p14, %rd102, %rd26;
	@%p14 bra 	$L__BB2_18;
$L__BB2_19:
	add.s64 	%rd95, %rd95, 1;
	setp.lt.s64 	%p15, %rd95, %rd3;
	@%p15 bra 	$L__BB2_6;
$L__BB2_20:
	add.s64 	%rd92, %rd92, %rd13;
	setp.lt.s64 	%p16, %rd92, %rd5;
	@%p16 bra 	$L__BB2_2;
$L__BB2_21:
	ret;
}
.visible .entry ddl_unpack_f16(
	.param .align 8 .b8 ddl_unpack_f16_param_0[3848],
	.param .u64 ddl_unpack_f16_param_1,
	.param .f32 ddl_unpack_f16_param_2
)
{
	.reg .pred 	%p<17>;
	.reg .b16 	%rs<10>;
	.reg .f32 	%f<12>;
	.reg .b32 	%r<5>;
	.reg .b64 	%rd<103>;
	mov.b64 	%rd48, ddl_unpack_f16_param_0;
	ld.param.u64 	%rd47, [ddl_unpack_f16_param_1];
	ld.param.f32 	%f1, [ddl_unpack_f16_param_2];
	cvta.to.global.u64 	%rd2, %rd47;
	ld.param.u64 	%rd3, [ddl_unpack_f16_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd49, %rd3, 3;
	add.s64 	%rd50, %rd48, 1280;
	add.s64 	%rd51, %rd50, %rd49;
	ld.param.u64 	%rd52, [%rd51+1272];
	ld.param.u64 	%rd53, [%rd51+-8];
	add.s64 	%rd5, %rd52, %rd53;
	mov.u32 	%r1, %ctaid.x;
	mul.wide.u32 	%rd54, %r1, 4096;
	ld.param.u64 	%rd55, [ddl_unpack_f16_param_0+1280];
	add.s64 	%rd92, %rd55, %rd54;
	setp.ge.s64 	%p1, %rd92, %rd5;
	@%p1 bra 	$L__BB3_21;
	mov.u32 	%r2, %tid.x;
	cvt.u64.u32 	%rd7, %r2;
	mov.u32 	%r3, %ntid.x;
	cvt.u64.u32 	%rd8, %r3;
	mul.wide.u32 	%rd9, %r2, 4;
	shl.b64 	%rd56, %rd9, 1;
	add.s64 	%rd10, %rd2, %rd56;
	mul.wide.u32 	%rd11, %r3, 8;
	mul.wide.u32 	%rd12, %r3, 16;
	mov.u32 	%r4, %nctaid.x;
	mul.wide.u32 	%rd13, %r4, 4096;
$L__BB3_2:
	.pragma "nounroll";
	add.s64 	%rd15, %rd92, 4096;
	setp.lt.s64 	%p2, %rd3, 2;
	mov.u64 	%rd95, 0;
	@%p2 bra 	$L__BB3_5;
	mov.u64 	%rd95, 0;
	mov.u64 	%rd93, %rd4;
$L__BB3_4:
	.pragma "nounroll";
	add.s64 	%rd59, %rd95, %rd93;
	add.s64 	%rd60, %rd59, 1;
	shr.u64 	%rd61, %rd60, 63;
	add.s64 	%rd62, %rd60, %rd61;
	shr.s64 	%rd63, %rd62, 1;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd65, %rd48, %rd64;
	ld.param.u64 	%rd66, [%rd65+1280];
	setp.le.s64 	%p3, %rd66, %rd92;
	add.s64 	%rd67, %rd63, -1;
	selp.b64 	%rd95, %rd63, %rd95, %p3;
	selp.b64 	%rd93, %rd93, %rd67, %p3;
	setp.lt.s64 	%p4, %rd95, %rd93;
	@%p4 bra 	$L__BB3_4;
$L__BB3_5:
	setp.ge.s64 	%p5, %rd95, %rd3;
	@%p5 bra 	$L__BB3_20;
$L__BB3_6:
	.pragma "nounroll";
	shl.b64 	%rd68, %rd95, 3;
	add.s64 	%rd69, %rd48, %rd68;
	add.s64 	%rd22, %rd69, 1280;
	ld.param.u64 	%rd23, [%rd69+1280];
	setp.ge.s64 	%p6, %rd23, %rd15;
	@%p6 bra 	$L__BB3_20;
	setp.le.s64 	%p7, %rd23, %rd92;
	mov.u64 	%rd97, %rd92;
	@%p7 bra 	$L__BB3_9;
	mov.u64 	%rd97, %rd23;
$L__BB3_9:
	ld.param.u64 	%rd70, [%rd22+1280];
	ld.param.u64 	%rd25, [%rd22];
	add.s64 	%rd71, %rd70, %rd25;
	min.s64 	%rd72, %rd71, %rd15;
	sub.s64 	%rd26, %rd72, %rd97;
	setp.lt.s64 	%p8, %rd26, 1;
	@%p8 bra 	$L__BB3_19;
	ld.param.u64 	%rd74, [%rd22+-1280];
	mov.u64 	%rd101, 0;
	cvta.to.global.u64 	%rd27, %rd74;
	sub.s64 	%rd28, %rd97, %rd25;
	shl.b64 	%rd75, %rd28, 2;
	add.s64 	%rd76, %rd74, %rd75;
	and.b64  	%rd77, %rd76, 15;
	setp.ne.s64 	%p9, %rd77, 0;
	@%p9 bra 	$L__BB3_16;
	shl.b64 	%rd79, %rd97, 1;
	add.s64 	%rd80, %rd47, %rd79;
	and.b64  	%rd81, %rd80, 7;
	setp.ne.s64 	%p10, %rd81, 0;
	@%p10 bra 	$L__BB3_16;
	shr.u64 	%rd29, %rd26, 2;
	setp.le.u64 	%p11, %rd29, %rd7;
	@%p11 bra 	$L__BB3_15;
	add.s64 	%rd99, %rd10, %rd79;
	shl.b64 	%rd83, %rd9, 2;
	add.s64 	%rd84, %rd27, %rd83;
	add.s64 	%rd98, %rd84, %rd75;
	mov.u64 	%rd100, %rd7;
$L__BB3_14:
	.pragma "nounroll";
	ld.global.v4.u16 	{%rs5, %rs6, %rs7, %rs8}, [%rd99];
	// begin inline asm
	cvt.f32.f16 %f2, %rs5;
	// end inline asm
	// begin inline asm
	cvt.f32.f16 %f3, %rs6;
	// end inline asm
	// begin inline asm
	cvt.f32.f16 %f4, %rs7;
	// end inline asm
	// begin inline asm
	cvt.f32.f16 %f5, %rs8;
	// end inline asm
	div.rn.f32 	%f6, %f5, %f1;
	div.rn.f32 	%f7, %f4, %f1;
	div.rn.f32 	%f8, %f3, %f1;
	div.rn.f32 	%f9, %f2, %f1;
	st.global.v4.f32 	[%rd98], {%f9, %f8, %f7, %f6};
	add.s64 	%rd99, %rd99, %rd11;
	add.s64 	%rd98, %rd98, %rd12;
	add.s64 	%rd100, %rd100, %rd8;
	setp.lt.u64 	%p12, %rd100, %rd29;
	@%p12 bra 	$L__BB3_14;
$L__BB3_15:
	and.b64  	%rd101, %rd26, -4;
$L__BB3_16:
	add.s64 	%rd102, %rd101, %rd7;
	setp.ge.s64 	%p13, %rd102, %rd26;
	add.s64 	%rd41, %rd27, %rd75;
	@%p13 bra 	$L__BB3_19;
	shl.b64 	%rd87, %rd97, 1;
	add.s64 	%rd42, %rd2, %rd87;
$L__BB3_18:
	.pragma "nounroll";
	shl.b64 	%rd88, %rd102, 1;
	add.s64 	%rd89, %rd42, %rd88;
	ld.global.u16 	%rs9, [%rd89];
	// begin inline asm
	cvt.f32.f16 %f10, %rs9;
	// end inline asm
	div.rn.f32 	%f11, %f10, %f1;
	shl.b64 	%rd90, %rd102, 2;
	add.s64 	%rd91, %rd41, %rd90;
	st.global.f32 	[%rd91], %f11;
	add.s64 	%rd102, %rd102, %rd8;
	setp.lt.s64 	%p14, %rd102, %rd26;
	@%p14 bra 	$L__BB3_18;
$L__BB3_19:
	add.s64 	%rd95, %rd95, 1;
	setp.lt.s64 	%p15, %rd95, %rd3;
	@%p15 bra 	$L__BB3_6;
$L__BB3_20:
	add.s64 	%rd92, %rd92, %rd13;
	setp.lt.s64 	%p16, %rd92, %rd5;
	@%p16 bra 	$L__BB3_2;
$L__BB3_21:
	ret;
}
.visible .entry ddl_pack_2(
	.param .align 8 .b8 ddl_pack_2_param_0[3848],
	.param .u64 ddl_pack_2_param_1
)
{
	.reg .pred 	%p<28>;
	.reg .b16 	%rs<3>;
	.reg .b32 	%r<21>;
	.reg .b64 	%rd<145>;
	mov.b64 	%rd65, ddl_pack_2_param_0;
	ld.param.u64 	%rd64, [ddl_pack_2_param_1];
	cvta.to.global.u64 	%rd2, %rd64;
	add.s64 	%rd3, %rd65, 3840;
	ld.param.u64 	%rd4, [ddl_pack_2_param_0+3840];
	add.s64 	%rd5, %rd4, -1;
	shl.b64 	%rd66, %rd4, 3;
	add.s64 	%rd67, %rd65, 1280;
	add.s64 	%rd68, %rd67, %rd66;
	ld.param.u64 	%rd69, [%rd68+1272];
	ld.param.u64 	%rd70, [%rd68+-8];
	add.s64 	%rd6, %rd69, %rd70;
	mov.u32 	%r1, %nctaid.x;
	mul.wide.u32 	%rd7, %r1, 4096;
	mov.u32 	%r2, %ctaid.x;
	mul.wide.u32 	%rd71, %r2, 4096;
	ld.param.u64 	%rd72, [ddl_pack_2_param_0+1280];
	add.s64 	%rd130, %rd72, %rd71;
	setp.ge.s64 	%p1, %rd130, %rd6;
	@%p1 bra 	$L__BB4_35;
	setp.gt.s64 	%p2, %rd4, 1;
	mov.u32 	%r3, %tid.x;
	cvt.u64.u32 	%rd9, %r3;
	mov.u32 	%r4, %ntid.x;
	cvt.u64.u32 	%rd10, %r4;
	@%p2 bra 	$L__BB4_16;
	bra.uni 	$L__BB4_2;
$L__BB4_16:
	shl.b64 	%rd30, %rd9, 3;
	shl.b64 	%rd31, %rd10, 4;
	shl.b64 	%rd95, %rd9, 4;
	add.s64 	%rd32, %rd2, %rd95;
	shl.b64 	%rd120, %rd30, 1;
$L__BB4_17:
	.pragma "nounroll";
	add.s64 	%rd34, %rd130, 4096;
	mov.u64 	%rd138, 0;
	mov.u64 	%rd136, %rd5;
$L__BB4_18:
	.pragma "nounroll";
	add.s64 	%rd97, %rd138, %rd136;
	add.s64 	%rd98, %rd97, 1;
	shr.u64 	%rd99, %rd98, 63;
	add.s64 	%rd100, %rd98, %rd99;
	shr.s64 	%rd101, %rd100, 1;
	shl.b64 	%rd102, %rd101, 3;
	add.s64 	%rd103, %rd65, %rd102;
	ld.param.u64 	%rd104, [%rd103+1280];
	setp.le.s64 	%p14, %rd104, %rd130;
	add.s64 	%rd105, %rd101, -1;
	selp.b64 	%rd138, %rd101, %rd138, %p14;
	selp.b64 	%rd136, %rd136, %rd105, %p14;
	setp.lt.s64 	%p15, %rd138, %rd136;
	@%p15 bra 	$L__BB4_18;
	setp.ge.s64 	%p16, %rd138, %rd4;
	@%p16 bra 	$L__BB4_34;
$L__BB4_20:
	.pragma "nounroll";
	shl.b64 	%rd106, %rd138, 3;
	add.s64 	%rd107, %rd65, %rd106;
	add.s64 	%rd40, %rd107, 1280;
	ld.param.u64 	%rd41, [%rd107+1280];
	setp.ge.s64 	%p17, %rd41, %rd34;
	@%p17 bra 	$L__BB4_34;
	setp.le.s64 	%p18, %rd41, %rd130;
	mov.u64 	%rd139, %rd130;
	@%p18 bra 	$L__BB4_23;
	mov.u64 	%rd139, %rd41;
$L__BB4_23:
	ld.param.u64 	%rd108, [%rd40+1280];
	ld.param.u64 	%rd43, [%rd40];
	add.s64 	%rd109, %rd108, %rd43;
	min.s64 	%rd110, %rd109, %rd34;
	sub.s64 	%rd44, %rd110, %rd139;
	setp.lt.s64 	%p19, %rd44, 1;
	@%p19 bra 	$L__BB4_33;
	ld.param.u64 	%rd112, [%rd40+-1280];
	mov.u64 	%rd143, 0;
	cvta.to.global.u64 	%rd45, %rd112;
	sub.s64 	%rd46, %rd139, %rd43;
	shl.b64 	%rd113, %rd46, 1;
	add.s64 	%rd114, %rd112, %rd113;
	and.b64  	%rd115, %rd114, 15;
	setp.ne.s64 	%p20, %rd115, 0;
	@%p20 bra 	$L__BB4_30;
	shl.b64 	%rd117, %rd139, 1;
	add.s64 	%rd118, %rd64, %rd117;
	and.b64  	%rd119, %rd118, 15;
	setp.ne.s64 	%p21, %rd119, 0;
	@%p21 bra 	$L__BB4_30;
	shr.u64 	%rd47, %rd44, 3;
	setp.le.u64 	%p22, %rd47, %rd9;
	@%p22 bra 	$L__BB4_29;
	add.s64 	%rd121, %rd45, %rd120;
	add.s64 	%rd141, %rd121, %rd113;
	add.s64 	%rd140, %rd32, %rd117;
	mov.u64 	%rd142, %rd9;
$L__BB4_28:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r13, %r14, %r15, %r16}, [%rd141];
	st.global.v4.u32 	[%rd140], {%r13, %r14, %r15, %r16};
	add.s64 	%rd141, %rd141, %rd31;
	add.s64 	%rd140, %rd140, %rd31;
	add.s64 	%rd142, %rd142, %rd10;
	setp.lt.u64 	%p23, %rd142, %rd47;
	@%p23 bra 	$L__BB4_28;
$L__BB4_29:
	and.b64  	%rd143, %rd44, -8;
$L__BB4_30:
	add.s64 	%rd144, %rd143, %rd9;
	setp.ge.s64 	%p24, %rd144, %rd44;
	@%p24 bra 	$L__BB4_33;
	shl.b64 	%rd124, %rd139, 1;
	add.s64 	%rd59, %rd2, %rd124;
$L__BB4_32:
	.pragma "nounroll";
	add.s64 	%rd125, %rd144, %rd46;
	shl.b64 	%rd126, %rd125, 1;
	add.s64 	%rd127, %rd45, %rd126;
	ld.global.u16 	%rs2, [%rd127];
	shl.b64 	%rd128, %rd144, 1;
	add.s64 	%rd129, %rd59, %rd128;
	st.global.u16 	[%rd129], %rs2;
	add.s64 	%rd144, %rd144, %rd10;
	setp.lt.s64 	%p25, %rd144, %rd44;
	@%p25 bra 	$L__BB4_32;
$L__BB4_33:
	add.s64 	%rd138, %rd138, 1;
	setp.lt.s64 	%p26, %rd138, %rd4;
	@%p26 bra 	$L__BB4_20;
$L__BB4_34:
	add.s64 	%rd130, %rd130, %rd7;
	setp.lt.s64 	%p27, %rd130, %rd6;
	@%p27 bra 	$L__BB4_17;
	bra.uni 	$L__BB4_35;
$L__BB4_2:
	.pragma "nounroll";
	add.s64 	%rd12, %rd130, 4096;
	setp.ne.s64 	%p3, %rd4, 1;
	@%p3 bra 	$L__BB4_15;
	ld.param.u64 	%rd13, [%rd3+-2560];
	setp.ge.s64 	%p4, %rd13, %rd12;
	@%p4 bra 	$L__BB4_15;
	setp.le.s64 	%p5, %rd13, %rd130;
	mov.u64 	%rd131, %rd130;
	@%p5 bra 	$L__BB4_6;
	mov.u64 	%rd131, %rd13;
$L__BB4_6:
	ld.param.u64 	%rd73, [%rd3+-1280];
	ld.param.u64 	%rd15, [%rd3+-2560];
	add.s64 	%rd74, %rd73, %rd15;
	min.s64 	%rd75, %rd74, %rd12;
	sub.s64 	%rd16, %rd75, %rd131;
	setp.lt.s64 	%p6, %rd16, 1;
	@%p6 bra 	$L__BB4_15;
	ld.param.u64 	%rd77, [%rd3+-3840];
	mov.u64 	%rd133, 0;
	cvta.to.global.u64 	%rd17, %rd77;
	sub.s64 	%rd18, %rd131, %rd15;
	shl.b64 	%rd78, %rd18, 1;
	add.s64 	%rd79, %rd77, %rd78;
	shl.b64 	%rd80, %rd131, 1;
	add.s64 	%rd19, %rd2, %rd80;
	and.b64  	%rd81, %rd79, 15;
	setp.ne.s64 	%p7, %rd81, 0;
	@%p7 bra 	$L__BB4_13;
	add.s64 	%rd84, %rd64, %rd80;
	and.b64  	%rd85, %rd84, 15;
	setp.ne.s64 	%p8, %rd85, 0;
	@%p8 bra 	$L__BB4_13;
	shr.u64 	%rd20, %rd16, 3;
	setp.le.u64 	%p9, %rd20, %rd9;
	@%p9 bra 	$L__BB4_12;
	add.s64 	%rd21, %rd17, %rd78;
	mov.u64 	%rd132, %rd9;
$L__BB4_11:
	.pragma "nounroll";
	shl.b64 	%rd87, %rd132, 4;
	add.s64 	%rd88, %rd19, %rd87;
	add.s64 	%rd89, %rd21, %rd87;
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd89];
	st.global.v4.u32 	[%rd88], {%r5, %r6, %r7, %r8};
	add.s64 	%rd132, %rd132, %rd10;
	setp.lt.u64 	%p10, %rd132, %rd20;
	@%p10 bra 	$L__BB4_11;
$L__BB4_12:
	and.b64  	%rd133, %rd16, -8;
$L__BB4_13:
	add.s64 	%rd134, %rd133, %rd9;
	setp.ge.s64 	%p11, %rd134, %rd16;
	@%p11 bra 	$L__BB4_15;
$L__BB4_14:
	.pragma "nounroll";
	add.s64 	%rd90, %rd134, %rd18;
	shl.b64 	%rd91, %rd90, 1;
	add.s64 	%rd92, %rd17, %rd91;
	ld.global.u16 	%rs1, [%rd92];
	shl.b64 	%rd93, %rd134, 1;
	add.s64 	%rd94, %rd19, %rd93;
	st.global.u16 	[%rd94], %rs1;
	add.s64 	%rd134, %rd134, %rd10;
	setp.lt.s64 	%p12, %rd134, %rd16;
	@%p12 bra 	$L__BB4_14;
$L__BB4_15:
	add.s64 	%rd130, %rd130, %rd7;
	setp.lt.s64 	%p13, %rd130, %rd6;
	@%p13 bra 	$L__BB4_2;
$L__BB4_35:
	ret;
}
.visible .entry ddl_pack_4(
	.param .align 8 .b8 ddl_pack_4_param_0[3848],
	.param .u64 ddl_pack_4_param_1
)
{
	.reg .pred 	%p<28>;
	.reg .b32 	%r<23>;
	.reg .b64 	%rd<145>;
	mov.b64 	%rd65, ddl_pack_4_param_0;
	ld.param.u64 	%rd64, [ddl_pack_4_param_1];
	cvta.to.global.u64 	%rd2, %rd64;
	add.s64 	%rd3, %rd65, 3840;
	ld.param.u64 	%rd4, [ddl_pack_4_param_0+3840];
	add.s64 	%rd5, %rd4, -1;
	shl.b64 	%rd66, %rd4, 3;
	add.s64 	%rd67, %rd65, 1280;
	add.s64 	%rd68, %rd67, %rd66;
	ld.param.u64 	%rd69, [%rd68+1272];
	ld.param.u64 	%rd70, [%rd68+-8];
	add.s64 	%rd6, %rd69, %rd70;
	mov.u32 	%r1, %nctaid.x;
	mul.wide.u32 	%rd7, %r1, 4096;
	mov.u32 	%r2, %ctaid.x;
	mul.wide.u32 	%rd71, %r2, 4096;
	ld.param.u64 	%rd72, [ddl_pack_4_param_0+1280];
	add.s64 	%rd130, %rd72, %rd71;
	setp.ge.s64 	%p1, %rd130, %rd6;
	@%p1 bra 	$L__BB5_35;
	setp.gt.s64 	%p2, %rd4, 1;
	mov.u32 	%r3, %tid.x;
	cvt.u64.u32 	%rd9, %r3;
	mov.u32 	%r4, %ntid.x;
	cvt.u64.u32 	%rd10, %r4;
	@%p2 bra 	$L__BB5_16;
	bra.uni 	$L__BB5_2;
$L__BB5_16:
	shl.b64 	%rd30, %rd9, 2;
	shl.b64 	%rd31, %rd10, 4;
	shl.b64 	%rd95, %rd9, 4;
	add.s64 	%rd32, %rd2, %rd95;
	shl.b64 	%rd120, %rd30, 2;
$L__BB5_17:
	.pragma "nounroll";
	add.s64 	%rd34, %rd130, 4096;
	mov.u64 	%rd138, 0;
	mov.u64 	%rd136, %rd5;
$L__BB5_18:
	.pragma "nounroll";
	add.s64 	%rd97, %rd138, %rd136;
	add.s64 	%rd98, %rd97, 1;
	shr.u64 	%rd99, %rd98, 63;
	add.s64 	%rd100, %rd98, %rd99;
	shr.s64 	%rd101, %rd100, 1;
	shl.b64 	%rd102, %rd101, 3;
	add.s64 	%rd103, %rd65, %rd102;
	ld.param.u64 	%rd104, [%rd103+1280];
	setp.le.s64 	%p14, %rd104, %rd130;
	add.s64 	%rd105, %rd101, -1;
	selp.b64 	%rd138, %rd101, %rd138, %p14;
	selp.b64 	%rd136, %rd136, %rd105, %p14;
	setp.lt.s64 	%p15, %rd138, %rd136;
	@%p15 bra 	$L__BB5_18;
	setp.ge.s64 	%p16, %rd138, %rd4;
	@%p16 bra 	$L__BB5_34;
$L__BB5_20:
	.pragma "nounroll";
	shl.b64 	%rd106, %rd138, 3;
	add.s64 	%rd107, %rd65, %rd106;
	add.s64 	%rd40, %rd107, 1280;
	ld.param.u64 	%rd41, [%rd107+1280];
	setp.ge.s64 	%p17, %rd41, %rd34;
	@%p17 bra 	$L__BB5_34;
	setp.le.s64 	%p18, %rd41, %rd130;
	mov.u64 	%rd139, %rd130;
	@%p18 bra 	$L__BB5_23;
	mov.u64 	%rd139, %rd41;
$L__BB5_23:
	ld.param.u64 	%rd108, [%rd40+1280];
	ld.param.u64 	%rd43, [%rd40];
	add.s64 	%rd109, %rd108, %rd43;
	min.s64 	%rd110, %rd109, %rd34;
	sub.s64 	%rd44, %rd110, %rd139;
	setp.lt.s64 	%p19, %rd44, 1;
	@%p19 bra 	$L__BB5_33;
	ld.param.u64 	%rd112, [%rd40+-1280];
	mov.u64 	%rd143, 0;
	cvta.to.global.u64 	%rd45, %rd112;
	sub.s64 	%rd46, %rd139, %rd43;
	shl.b64 	%rd113, %rd46, 2;
	add.s64 	%rd114, %rd112, %rd113;
	and.b64  	%rd115, %rd114, 15;
	setp.ne.s64 	%p20, %rd115, 0;
	@%p20 bra 	$L__BB5_30;
	shl.b64 	%rd117, %rd139, 2;
	add.s64 	%rd118, %rd64, %rd117;
	and.b64  	%rd119, %rd118, 15;
	setp.ne.s64 	%p21, %rd119, 0;
	@%p21 bra 	$L__BB5_30;
	shr.u64 	%rd47, %rd44, 2;
	setp.le.u64 	%p22, %rd47, %rd9;
	@%p22 bra 	$L__BB5_29;
	add.s64 	%rd121, %rd45, %rd120;
	add.s64 	%rd141, %rd121, %rd113;
	add.s64 	%rd140, %rd32, %rd117;
	mov.u64 	%rd142, %rd9;
$L__BB5_28:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r14, %r15, %r16, %r17}, [%rd141];
	st.global.v4.u32 	[%rd140], {%r14, %r15, %r16, %r17};
	add.s64 	%rd141, %rd141, %rd31;
	add.s64 	%rd140, %rd140, %rd31;
	add.s64 	%rd142, %rd142, %rd10;
	setp.lt.u64 	%p23, %rd142, %rd47;
	@%p23 bra 	$L__BB5_28;
$L__BB5_29:
	and.b64  	%rd143, %rd44, -4;
$L__BB5_30:
	add.s64 	%rd144, %rd143, %rd9;
	setp.ge.s64 	%p24, %rd144, %rd44;
	@%p24 bra 	$L__BB5_33;
	shl.b64 	%rd124, %rd139, 2;
	add.s64 	%rd59, %rd2, %rd124;
$L__BB5_32:
	.pragma "nounroll";
	add.s64 	%rd125, %rd144, %rd46;
	shl.b64 	%rd126, %rd125, 2;
	add.s64 	%rd127, %rd45, %rd126;
	ld.global.u32 	%r22, [%rd127];
	shl.b64 	%rd128, %rd144, 2;
	add.s64 	%rd129, %rd59, %rd128;
	st.global.u32 	[%rd129], %r22;
	add.s64 	%rd144, %rd144, %rd10;
	setp.lt.s64 	%p25, %rd144, %rd44;
	@%p25 bra 	$L__BB5_32;
$L__BB5_33:
	add.s64 	%rd138, %rd138, 1;
	setp.lt.s64 	%p26, %rd138, %rd4;
	@%p26 bra 	$L__BB5_20;
$L__BB5_34:
	add.s64 	%rd130, %rd130, %rd7;
	setp.lt.s64 	%p27, %rd130, %rd6;
	@%p27 bra 	$L__BB5_17;
	bra.uni 	$L__BB5_35;
$L__BB5_2:
	.pragma "nounroll";
	add.s64 	%rd12, %rd130, 4096;
	setp.ne.s64 	%p3, %rd4, 1;
	@%p3 bra 	$L__BB5_15;
	ld.param.u64 	%rd13, [%rd3+-2560];
	setp.ge.s64 	%p4, %rd13, %rd12;
	@%p4 bra 	$L__BB5_15;
	setp.le.s64 	%p5, %rd13, %rd130;
	mov.u64 	%rd131, %rd130;
	@%p5 bra 	$L__BB5_6;
	mov.u64 	%rd131, %rd13;
$L__BB5_6:
	ld.param.u64 	%rd73, [%rd3+-1280];
	ld.param.u64 	%rd15, [%rd3+-2560];
	add.s64 	%rd74, %rd73, %rd15;
	min.s64 	%rd75, %rd74, %rd12;
	sub.s64 	%rd16, %rd75, %rd131;
	setp.lt.s64 	%p6, %rd16, 1;
	@%p6 bra 	$L__BB5_15;
	ld.param.u64 	%rd77, [%rd3+-3840];
	mov.u64 	%rd133, 0;
	cvta.to.global.u64 	%rd17, %rd77;
	sub.s64 	%rd18, %rd131, %rd15;
	shl.b64 	%rd78, %rd18, 2;
	add.s64 	%rd79, %rd77, %rd78;
	shl.b64 	%rd80, %rd131, 2;
	add.s64 	%rd19, %rd2, %rd80;
	and.b64  	%rd81, %rd79, 15;
	setp.ne.s64 	%p7, %rd81, 0;
	@%p7 bra 	$L__BB5_13;
	add.s64 	%rd84, %rd64, %rd80;
	and.b64  	%rd85, %rd84, 15;
	setp.ne.s64 	%p8, %rd85, 0;
	@%p8 bra 	$L__BB5_13;
	shr.u64 	%rd20, %rd16, 2;
	setp.le.u64 	%p9, %rd20, %rd9;
	@%p9 bra 	$L__BB5_12;
	add.s64 	%rd21, %rd17, %rd78;
	mov.u64 	%rd132, %rd9;
$L__BB5_11:
	.pragma "nounroll";
	shl.b64 	%rd87, %rd132, 4;
	add.s64 	%rd88, %rd19, %rd87;
	add.s64 	%rd89, %rd21, %rd87;
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd89];
	st.global.v4.u32 	[%rd88], {%r5, %r6, %r7, %r8};
	add.s64 	%rd132, %rd132, %rd10;
	setp.lt.u64 	%p10, %rd132, %rd20;
	@%p10 bra 	$L__BB5_11;
$L__BB5_12:
	and.b64  	%rd133, %rd16, -4;
$L__BB5_13:
	add.s64 	%rd134, %rd133, %rd9;
	setp.ge.s64 	%p11, %rd134, %rd16;
	@%p11 bra 	$L__BB5_15;
$L__BB5_14:
	.pragma "nounroll";
	add.s64 	%rd90, %rd134, %rd18;
	shl.b64 	%rd91, %rd90, 2;
	add.s64 	%rd92, %rd17, %rd91;
	ld.global.u32 	%r13, [%rd92];
	shl.b64 	%rd93, %rd134, 2;
	add.s64 	%rd94, %rd19, %rd93;
	st.global.u32 	[%rd94], %r13;
	add.s64 	%rd134, %rd134, %rd10;
	setp.lt.s64 	%p12, %rd134, %rd16;
	@%p12 bra 	$L__BB5_14;
$L__BB5_15:
	add.s64 	%rd130, %rd130, %rd7;
	setp.lt.s64 	%p13, %rd130, %rd6;
	@%p13 bra 	$L__BB5_2;
$L__BB5_35:
	ret;
}
.visible .entry ddl_pack_8(
	.param .align 8 .b8 ddl_pack_8_param_0[3848],
	.param .u64 ddl_pack_8_param_1
)
{
	.reg .pred 	%p<28>;
	.reg .b32 	%r<21>;
	.reg .b64 	%rd<147>;
	mov.b64 	%rd65, ddl_pack_8_param_0;
	ld.param.u64 	%rd64, [ddl_pack_8_param_1];
	cvta.to.global.u64 	%rd2, %rd64;
	add.s64 	%rd3, %rd65, 3840;
	ld.param.u64 	%rd4, [ddl_pack_8_param_0+3840];
	add.s64 	%rd5, %rd4, -1;
	shl.b64 	%rd66, %rd4, 3;
	add.s64 	%rd67, %rd65, 1280;
	add.s64 	%rd68, %rd67, %rd66;
	ld.param.u64 	%rd69, [%rd68+1272];
	ld.param.u64 	%rd70, [%rd68+-8];
	add.s64 	%rd6, %rd69, %rd70;
	mov.u32 	%r1, %nctaid.x;
	mul.wide.u32 	%rd7, %r1, 4096;
	mov.u32 	%r2, %ctaid.x;
	mul.wide.u32 	%rd71, %r2, 4096;
	ld.param.u64 	%rd72, [ddl_pack_8_param_0+1280];
	add.s64 	%rd132, %rd72, %rd71;
	setp.ge.s64 	%p1, %rd132, %rd6;
	@%p1 bra 	$L__BB6_35;
	setp.gt.s64 	%p2, %rd4, 1;
	mov.u32 	%r3, %tid.x;
	cvt.u64.u32 	%rd9, %r3;
	mov.u32 	%r4, %ntid.x;
	cvt.u64.u32 	%rd10, %r4;
	@%p2 bra 	$L__BB6_16;
	bra.uni 	$L__BB6_2;
$L__BB6_16:
	shl.b64 	%rd30, %rd9, 1;
	shl.b64 	%rd31, %rd10, 4;
	shl.b64 	%rd96, %rd9, 4;
	add.s64 	%rd32, %rd2, %rd96;
	shl.b64 	%rd121, %rd30, 3;
$L__BB6_17:
	.pragma "nounroll";
	add.s64 	%rd34, %rd132, 4096;
	mov.u64 	%rd140, 0;
	mov.u64 	%rd138, %rd5;
$L__BB6_18:
	.pragma "nounroll";
	add.s64 	%rd98, %rd140, %rd138;
	add.s64 	%rd99, %rd98, 1;
	shr.u64 	%rd100, %rd99, 63;
	add.s64 	%rd101, %rd99, %rd100;
	shr.s64 	%rd102, %rd101, 1;
	shl.b64 	%rd103, %rd102, 3;
	add.s64 	%rd104, %rd65, %rd103;
	ld.param.u64 	%rd105, [%rd104+1280];
	setp.le.s64 	%p14, %rd105, %rd132;
	add.s64 	%rd106, %rd102, -1;
	selp.b64 	%rd140, %rd102, %rd140, %p14;
	selp.b64 	%rd138, %rd138, %rd106, %p14;
	setp.lt.s64 	%p15, %rd140, %rd138;
	@%p15 bra 	$L__BB6_18;
	setp.ge.s64 	%p16, %rd140, %rd4;
	@%p16 bra 	$L__BB6_34;
$L__BB6_20:
	.pragma "nounroll";
	shl.b64 	%rd107, %rd140, 3;
	add.s64 	%rd108, %rd65, %rd107;
	add.s64 	%rd40, %rd108, 1280;
	ld.param.u64 	%rd41, [%rd108+1280];
	setp.ge.s64 	%p17, %rd41, %rd34;
	@%p17 bra 	$L__BB6_34;
	setp.le.s64 	%p18, %rd41, %rd132;
	mov.u64 	%rd141, %rd132;
	@%p18 bra 	$L__BB6_23;
	mov.u64 	%rd141, %rd41;
$L__BB6_23:
	ld.param.u64 	%rd109, [%rd40+1280];
	ld.param.u64 	%rd43, [%rd40];
	add.s64 	%rd110, %rd109, %rd43;
	min.s64 	%rd111, %rd110, %rd34;
	sub.s64 	%rd44, %rd111, %rd141;
	setp.lt.s64 	%p19, %rd44, 1;
	@%p19 bra 	$L__BB6_33;
	ld.param.u64 	%rd113, [%rd40+-1280];
	mov.u64 	%rd145, 0;
	cvta.to.global.u64 	%rd45, %rd113;
	sub.s64 	%rd46, %rd141, %rd43;
	shl.b64 	%rd114, %rd46, 3;
	add.s64 	%rd115, %rd113, %rd114;
	and.b64  	%rd116, %rd115, 15;
	setp.ne.s64 	%p20, %rd116, 0;
	@%p20 bra 	$L__BB6_30;
	shl.b64 	%rd118, %rd141, 3;
	add.s64 	%rd119, %rd64, %rd118;
	and.b64  	%rd120, %rd119, 15;
	setp.ne.s64 	%p21, %rd120, 0;
	@%p21 bra 	$L__BB6_30;
	shr.u64 	%rd47, %rd44, 1;
	setp.le.u64 	%p22, %rd47, %rd9;
	@%p22 bra 	$L__BB6_29;
	add.s64 	%rd122, %rd45, %rd121;
	add.s64 	%rd143, %rd122, %rd114;
	add.s64 	%rd142, %rd32, %rd118;
	mov.u64 	%rd144, %rd9;
$L__BB6_28:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r13, %r14, %r15, %r16}, [%rd143];
	st.global.v4.u32 	[%rd142], {%r13, %r14, %r15, %r16};
	add.s64 	%rd143, %rd143, %rd31;
	add.s64 	%rd142, %rd142, %rd31;
	add.s64 	%rd144, %rd144, %rd10;
	setp.lt.u64 	%p23, %rd144, %rd47;
	@%p23 bra 	$L__BB6_28;
$L__BB6_29:
	and.b64  	%rd145, %rd44, -2;
$L__BB6_30:
	add.s64 	%rd146, %rd145, %rd9;
	setp.ge.s64 	%p24, %rd146, %rd44;
	@%p24 bra 	$L__BB6_33;
	shl.b64 	%rd125, %rd141, 3;
	add.s64 	%rd59, %rd2, %rd125;
$L__BB6_32:
	.pragma "nounroll";
	add.s64 	%rd126, %rd146, %rd46;
	shl.b64 	%rd127, %rd126, 3;
	add.s64 	%rd128, %rd45, %rd127;
	ld.global.u64 	%rd129, [%rd128];
	shl.b64 	%rd130, %rd146, 3;
	add.s64 	%rd131, %rd59, %rd130;
	st.global.u64 	[%rd131], %rd129;
	add.s64 	%rd146, %rd146, %rd10;
	setp.lt.s64 	%p25, %rd146, %rd44;
	@%p25 bra 	$L__BB6_32;
$L__BB6_33:
	add.s64 	%rd140, %rd140, 1;
	setp.lt.s64 	%p26, %rd140, %rd4;
	@%p26 bra 	$L__BB6_20;
$L__BB6_34:
	add.s64 	%rd132, %rd132, %rd7;
	setp.lt.s64 	%p27, %rd132, %rd6;
	@%p27 bra 	$L__BB6_17;
	bra.uni 	$L__BB6_35;
$L__BB6_2:
	.pragma "nounroll";
	add.s64 	%rd12, %rd132, 4096;
	setp.ne.s64 	%p3, %rd4, 1;
	@%p3 bra 	$L__BB6_15;
	ld.param.u64 	%rd13, [%rd3+-2560];
	setp.ge.s64 	%p4, %rd13, %rd12;
	@%p4 bra 	$L__BB6_15;
	setp.le.s64 	%p5, %rd13, %rd132;
	mov.u64 	%rd133, %rd132;
	@%p5 bra 	$L__BB6_6;
	mov.u64 	%rd133, %rd13;
$L__BB6_6:
	ld.param.u64 	%rd73, [%rd3+-1280];
	ld.param.u64 	%rd15, [%rd3+-2560];
	add.s64 	%rd74, %rd73, %rd15;
	min.s64 	%rd75, %rd74, %rd12;
	sub.s64 	%rd16, %rd75, %rd133;
	setp.lt.s64 	%p6, %rd16, 1;
	@%p6 bra 	$L__BB6_15;
	ld.param.u64 	%rd77, [%rd3+-3840];
	mov.u64 	%rd135, 0;
	cvta.to.global.u64 	%rd17, %rd77;
	sub.s64 	%rd18, %rd133, %rd15;
	shl.b64 	%rd78, %rd18, 3;
	add.s64 	%rd79, %rd77, %rd78;
	shl.b64 	%rd80, %rd133, 3;
	add.s64 	%rd19, %rd2, %rd80;
	and.b64  	%rd81, %rd79, 15;
	setp.ne.s64 	%p7, %rd81, 0;
	@%p7 bra 	$L__BB6_13;
	add.s64 	%rd84, %rd64, %rd80;
	and.b64  	%rd85, %rd84, 15;
	setp.ne.s64 	%p8, %rd85, 0;
	@%p8 bra 	$L__BB6_13;
	shr.u64 	%rd20, %rd16, 1;
	setp.le.u64 	%p9, %rd20, %rd9;
	@%p9 bra 	$L__BB6_12;
	add.s64 	%rd21, %rd17, %rd78;
	mov.u64 	%rd134, %rd9;
$L__BB6_11:
	.pragma "nounroll";
	shl.b64 	%rd87, %rd134, 4;
	add.s64 	%rd88, %rd19, %rd87;
	add.s64 	%rd89, %rd21, %rd87;
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd89];
	st.global.v4.u32 	[%rd88], {%r5, %r6, %r7, %r8};
	add.s64 	%rd134, %rd134, %rd10;
	setp.lt.u64 	%p10, %rd134, %rd20;
	@%p10 bra 	$L__BB6_11;
$L__BB6_12:
	and.b64  	%rd135, %rd16, -2;
$L__BB6_13:
	add.s64 	%rd136, %rd135, %rd9;
	setp.ge.s64 	%p11, %rd136, %rd16;
	@%p11 bra 	$L__BB6_15;
$L__BB6_14:
	.pragma "nounroll";
	add.s64 	%rd90, %rd136, %rd18;
	shl.b64 	%rd91, %rd90, 3;
	add.s64 	%rd92, %rd17, %rd91;
	ld.global.u64 	%rd93, [%rd92];
	shl.b64 	%rd94, %rd136, 3;
	add.s64 	%rd95, %rd19, %rd94;
	st.global.u64 	[%rd95], %rd93;
	add.s64 	%rd136, %rd136, %rd10;
	setp.lt.s64 	%p12, %rd136, %rd16;
	@%p12 bra 	$L__BB6_14;
$L__BB6_15:
	add.s64 	%rd132, %rd132, %rd7;
	setp.lt.s64 	%p13, %rd132, %rd6;
	@%p13 bra 	$L__BB6_2;
$L__BB6_35:
	ret;
}
.visible .entry ddl_unpack_2(
	.param .align 8 .b8 ddl_unpack_2_param_0[3848],
	.param .u64 ddl_unpack_2_param_1
)
{
	.reg .pred 	%p<17>;
	.reg .b16 	%rs<2>;
	.reg .b32 	%r<13>;
	.reg .b64 	%rd<101>;
	mov.b64 	%rd48, ddl_unpack_2_param_0;
	ld.param.u64 	%rd47, [ddl_unpack_2_param_1];
	cvta.to.global.u64 	%rd2, %rd47;
	ld.param.u64 	%rd3, [ddl_unpack_2_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd49, %rd3, 3;
	add.s64 	%rd50, %rd48, 1280;
	add.s64 	%rd51, %rd50, %rd49;
	ld.param.u64 	%rd52, [%rd51+1272];
	ld.param.u64 	%rd53, [%rd51+-8];
	add.s64 	%rd5, %rd52, %rd53;
	mov.u32 	%r1, %ctaid.x;
	mul.wide.u32 	%rd54, %r1, 4096;
	ld.param.u64 	%rd55, [ddl_unpack_2_param_0+1280];
	add.s64 	%rd90, %rd55, %rd54;
	setp.ge.s64 	%p1, %rd90, %rd5;
	@%p1 bra 	$L__BB7_21;
	mov.u32 	%r2, %tid.x;
	cvt.u64.u32 	%rd7, %r2;
	mov.u32 	%r3, %ntid.x;
	cvt.u64.u32 	%rd8, %r3;
	mul.wide.u32 	%rd9, %r2, 8;
	mul.wide.u32 	%rd10, %r3, 16;
	shl.b64 	%rd56, %rd9, 1;
	add.s64 	%rd11, %rd2, %rd56;
	mov.u32 	%r4, %nctaid.x;
	mul.wide.u32 	%rd12, %r4, 4096;
$L__BB7_2:
	.pragma "nounroll";
	add.s64 	%rd14, %rd90, 4096;
	setp.lt.s64 	%p2, %rd3, 2;
	mov.u64 	%rd93, 0;
	@%p2 bra 	$L__BB7_5;
	mov.u64 	%rd93, 0;
	mov.u64 	%rd91, %rd4;
$L__BB7_4:
	.pragma "nounroll";
	add.s64 	%rd59, %rd93, %rd91;
	add.s64 	%rd60, %rd59, 1;
	shr.u64 	%rd61, %rd60, 63;
	add.s64 	%rd62, %rd60, %rd61;
	shr.s64 	%rd63, %rd62, 1;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd65, %rd48, %rd64;
	ld.param.u64 	%rd66, [%rd65+1280];
	setp.le.s64 	%p3, %rd66, %rd90;
	add.s64 	%rd67, %rd63, -1;
	selp.b64 	%rd93, %rd63, %rd93, %p3;
	selp.b64 	%rd91, %rd91, %rd67, %p3;
	setp.lt.s64 	%p4, %rd93, %rd91;
	@%p4 bra 	$L__BB7_4;
$L__BB7_5:
	setp.ge.s64 	%p5, %rd93, %rd3;
	@%p5 bra 	$L__BB7_20;
$L__BB7_6:
	.pragma "nounroll";
	shl.b64 	%rd68, %rd93, 3;
	add.s64 	%rd69, %rd48, %rd68;
	add.s64 	%rd21, %rd69, 1280;
	ld.param.u64 	%rd22, [%rd69+1280];
	setp.ge.s64 	%p6, %rd22, %rd14;
	@%p6 bra 	$L__BB7_20;
	setp.le.s64 	%p7, %rd22, %rd90;
	mov.u64 	%rd95, %rd90;
	@%p7 bra 	$L__BB7_9;
	mov.u64 	%rd95, %rd22;
$L__BB7_9:
	ld.param.u64 	%rd70, [%rd21+1280];
	ld.param.u64 	%rd24, [%rd21];
	add.s64 	%rd71, %rd70, %rd24;
	min.s64 	%rd72, %rd71, %rd14;
	sub.s64 	%rd25, %rd72, %rd95;
	setp.lt.s64 	%p8, %rd25, 1;
	@%p8 bra 	$L__BB7_19;
	ld.param.u64 	%rd26, [%rd21+-1280];
	mov.u64 	%rd99, 0;
	cvta.to.global.u64 	%rd27, %rd26;
	sub.s64 	%rd28, %rd95, %rd24;
	shl.b64 	%rd74, %rd95, 1;
	add.s64 	%rd75, %rd47, %rd74;
	and.b64  	%rd76, %rd75, 15;
	setp.ne.s64 	%p9, %rd76, 0;
	@%p9 bra 	$L__BB7_16;
	shl.b64 	%rd78, %rd28, 1;
	add.s64 	%rd79, %rd26, %rd78;
	and.b64  	%rd80, %rd79, 15;
	setp.ne.s64 	%p10, %rd80, 0;
	@%p10 bra 	$L__BB7_16;
	shr.u64 	%rd29, %rd25, 3;
	setp.le.u64 	%p11, %rd29, %rd7;
	@%p11 bra 	$L__BB7_15;
	add.s64 	%rd82, %rd27, %rd56;
	add.s64 	%rd97, %rd82, %rd78;
	add.s64 	%rd96, %rd11, %rd74;
	mov.u64 	%rd98, %rd7;
$L__BB7_14:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd96];
	st.global.v4.u32 	[%rd97], {%r5, %r6, %r7, %r8};
	add.s64 	%rd97, %rd97, %rd10;
	add.s64 	%rd96, %rd96, %rd10;
	add.s64 	%rd98, %rd98, %rd8;
	setp.lt.u64 	%p12, %rd98, %rd29;
	@%p12 bra 	$L__BB7_14;
$L__BB7_15:
	and.b64  	%rd99, %rd25, -8;
$L__BB7_16:
	add.s64 	%rd100, %rd99, %rd7;
	setp.ge.s64 	%p13, %rd100, %rd25;
	shl.b64 	%rd85, %rd28, 1;
	add.s64 	%rd41, %rd27, %rd85;
	@%p13 bra 	$L__BB7_19;
	add.s64 	%rd42, %rd2, %rd74;
$L__BB7_18:
	.pragma "nounroll";
	shl.b64 	%rd87, %rd100, 1;
	add.s64 	%rd88, %rd42, %rd87;
	ld.global.u16 	%rs1, [%rd88];
	add.s64 	%rd89, %rd41, %rd87;
	st.global.u16 	[%rd89], %rs1;
	add.s64 	%rd100, %rd100, %rd8;
	setp.lt.s64 	%p14, %rd100, %rd25;
	@%p14 bra 	$L__BB7_18;
$L__BB7_19:
	add.s64 	%rd93, %rd93, 1;
	setp.lt.s64 	%p15, %rd93, %rd3;
	@%p15 bra 	$L__BB7_6;
$L__BB7_20:
	add.s64 	%rd90, %rd90, %rd12;
	setp.lt.s64 	%p16, %rd90, %rd5;
	@%p16 bra 	$L__BB7_2;
$L__BB7_21:
	ret;
}
.visible .entry ddl_unpack_4(
	.param .align 8 .b8 ddl_unpack_4_param_0[3848],
	.param .u64 ddl_unpack_4_param_1
)
{
	.reg .pred 	%p<17>;
	.reg .b32 	%r<14>;
	.reg .b64 	%rd<101>;
	mov.b64 	%rd48, ddl_unpack_4_param_0;
	ld.param.u64 	%rd47, [ddl_unpack_4_param_1];
	cvta.to.global.u64 	%rd2, %rd47;
	ld.param.u64 	%rd3, [ddl_unpack_4_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd49, %rd3, 3;
	add.s64 	%rd50, %rd48, 1280;
	add.s64 	%rd51, %rd50, %rd49;
	ld.param.u64 	%rd52, [%rd51+1272];
	ld.param.u64 	%rd53, [%rd51+-8];
	add.s64 	%rd5, %rd52, %rd53;
	mov.u32 	%r1, %ctaid.x;
	mul.wide.u32 	%rd54, %r1, 4096;
	ld.param.u64 	%rd55, [ddl_unpack_4_param_0+1280];
	add.s64 	%rd90, %rd55, %rd54;
	setp.ge.s64 	%p1, %rd90, %rd5;
	@%p1 bra 	$L__BB8_21;
	mov.u32 	%r2, %tid.x;
	cvt.u64.u32 	%rd7, %r2;
	mov.u32 	%r3, %ntid.x;
	cvt.u64.u32 	%rd8, %r3;
	mul.wide.u32 	%rd9, %r2, 4;
	mul.wide.u32 	%rd10, %r3, 16;
	shl.b64 	%rd56, %rd9, 2;
	add.s64 	%rd11, %rd2, %rd56;
	mov.u32 	%r4, %nctaid.x;
	mul.wide.u32 	%rd12, %r4, 4096;
$L__BB8_2:
	.pragma "nounroll";
	add.s64 	%rd14, %rd90, 4096;
	setp.lt.s64 	%p2, %rd3, 2;
	mov.u64 	%rd93, 0;
	@%p2 bra 	$L__BB8_5;
	mov.u64 	%rd93, 0;
	mov.u64 	%rd91, %rd4;
$L__BB8_4:
	.pragma "nounroll";
	add.s64 	%rd59, %rd93, %rd91;
	add.s64 	%rd60, %rd59, 1;
	shr.u64 	%rd61, %rd60, 63;
	add.s64 	%rd62, %rd60, %rd61;
	shr.s64 	%rd63, %rd62, 1;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd65, %rd48, %rd64;
	ld.param.u64 	%rd66, [%rd65+1280];
	setp.le.s64 	%p3, %rd66, %rd90;
	add.s64 	%rd67, %rd63, -1;
	selp.b64 	%rd93, %rd63, %rd93, %p3;
	selp.b64 	%rd91, %rd91, %rd67, %p3;
	setp.lt.s64 	%p4, %rd93, %rd91;
	@%p4 bra 	$L__BB8_4;
$L__BB8_5:
	setp.ge.s64 	%p5, %rd93, %rd3;
	@%p5 bra 	$L__BB8_20;
$L__BB8_6:
	.pragma "nounroll";
	shl.b64 	%rd68, %rd93, 3;
	add.s64 	%rd69, %rd48, %rd68;
	add.s64 	%rd21, %rd69, 1280;
	ld.param.u64 	%rd22, [%rd69+1280];
	setp.ge.s64 	%p6, %rd22, %rd14;
	@%p6 bra 	$L__BB8_20;
	setp.le.s64 	%p7, %rd22, %rd90;
	mov.u64 	%rd95, %rd90;
	@%p7 bra 	$L__BB8_9;
	mov.u64 	%rd95, %rd22;
$L__BB8_9:
	ld.param.u64 	%rd70, [%rd21+1280];
	ld.param.u64 	%rd24, [%rd21];
	add.s64 	%rd71, %rd70, %rd24;
	min.s64 	%rd72, %rd71, %rd14;
	sub.s64 	%rd25, %rd72, %rd95;
	setp.lt.s64 	%p8, %rd25, 1;
	@%p8 bra 	$L__BB8_19;
	ld.param.u64 	%rd26, [%rd21+-1280];
	mov.u64 	%rd99, 0;
	cvta.to.global.u64 	%rd27, %rd26;
	sub.s64 	%rd28, %rd95, %rd24;
	shl.b64 	%rd74, %rd95, 2;
	add.s64 	%rd75, %rd47, %rd74;
	and.b64  	%rd76, %rd75, 15;
	setp.ne.s64 	%p9, %rd76, 0;
	@%p9 bra 	$L__BB8_16;
	shl.b64 	%rd78, %rd28, 2;
	add.s64 	%rd79, %rd26, %rd78;
	and.b64  	%rd80, %rd79, 15;
	setp.ne.s64 	%p10, %rd80, 0;
	@%p10 bra 	$L__BB8_16;
	shr.u64 	%rd29, %rd25, 2;
	setp.le.u64 	%p11, %rd29, %rd7;
	@%p11 bra 	$L__BB8_15;
	add.s64 	%rd82, %rd27, %rd56;
	add.s64 	%rd97, %rd82, %rd78;
	add.s64 	%rd96, %rd11, %rd74;
	mov.u64 	%rd98, %rd7;
$L__BB8_14:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd96];
	st.global.v4.u32 	[%rd97], {%r5, %r6, %r7, %r8};
	add.s64 	%rd97, %rd97, %rd10;
	add.s64 	%rd96, %rd96, %rd10;
	add.s64 	%rd98, %rd98, %rd8;
	setp.lt.u64 	%p12, %rd98, %rd29;
	@%p12 bra 	$L__BB8_14;
$L__BB8_15:
	and.b64  	%rd99, %rd25, -4;
$L__BB8_16:
	add.s64 	%rd100, %rd99, %rd7;
	setp.ge.s64 	%p13, %rd100, %rd25;
	shl.b64 	%rd85, %rd28, 2;
	add.s64 	%rd41, %rd27, %rd85;
	@%p13 bra 	$L__BB8_19;
	add.s64 	%rd42, %rd2, %rd74;
$L__BB8_18:
	.pragma "nounroll";
	shl.b64 	%rd87, %rd100, 2;
	add.s64 	%rd88, %rd42, %rd87;
	ld.global.u32 	%r13, [%rd88];
	add.s64 	%rd89, %rd41, %rd87;
	st.global.u32 	[%rd89], %r13;
	add.s64 	%rd100, %rd100, %rd8;
	setp.lt.s64 	%p14, %rd100, %rd25;
	@%p14 bra 	$L__BB8_18;
$L__BB8_19:
	add.s64 	%rd93, %rd93, 1;
	setp.lt.s64 	%p15, %rd93, %rd3;
	@%p15 bra 	$L__BB8_6;
$L__BB8_20:
	add.s64 	%rd90, %rd90, %rd12;
	setp.lt.s64 	%p16, %rd90, %rd5;
	@%p16 bra 	$L__BB8_2;
$L__BB8_21:
	ret;
}
.visible .entry ddl_unpack_8(
	.param .align 8 .b8 ddl_unpack_8_param_0[3848],
	.param .u64 ddl_unpack_8_param_1
)
{
	.reg .pred 	%p<17>;
	.reg .b32 	%r<13>;
	.reg .b64 	%rd<102>;
	mov.b64 	%rd48, ddl_unpack_8_param_0;
	ld.param.u64 	%rd47, [ddl_unpack_8_param_1];
	cvta.to.global.u64 	%rd2, %rd47;
	ld.param.u64 	%rd3, [ddl_unpack_8_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd49, %rd3, 3;
	add.s64 	%rd50, %rd48, 1280;
	add.s64 	%rd51, %rd50, %rd49;
	ld.param.u64 	%rd52, [%rd51+1272];
	ld.param.u64 	%rd53, [%rd51+-8];
	add.s64 	%rd5, %rd52, %rd53;
	mov.u32 	%r1, %ctaid.x;
	mul.wide.u32 	%rd54, %r1, 4096;
	ld.param.u64 	%rd55, [ddl_unpack_8_param_0+1280];
	add.s64 	%rd91, %rd55, %rd54;
	setp.ge.s64 	%p1, %rd91, %rd5;
	@%p1 bra 	$L__BB9_21;
	mov.u32 	%r2, %tid.x;
	cvt.u64.u32 	%rd7, %r2;
	mov.u32 	%r3, %ntid.x;
	cvt.u64.u32 	%rd8, %r3;
	mul.wide.u32 	%rd9, %r2, 2;
	mul.wide.u32 	%rd10, %r3, 16;
	shl.b64 	%rd56, %rd9, 3;
	add.s64 	%rd11, %rd2, %rd56;
	mov.u32 	%r4, %nctaid.x;
	mul.wide.u32 	%rd12, %r4, 4096;
$L__BB9_2:
	.pragma "nounroll";
	add.s64 	%rd14, %rd91, 4096;
	setp.lt.s64 	%p2, %rd3, 2;
	mov.u64 	%rd94, 0;
	@%p2 bra 	$L__BB9_5;
	mov.u64 	%rd94, 0;
	mov.u64 	%rd92, %rd4;
$L__BB9_4:
	.pragma "nounroll";
	add.s64 	%rd59, %rd94, %rd92;
	add.s64 	%rd60, %rd59, 1;
	shr.u64 	%rd61, %rd60, 63;
	add.s64 	%rd62, %rd60, %rd61;
	shr.s64 	%rd63, %rd62, 1;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd65, %rd48, %rd64;
	ld.param.u64 	%rd66, [%rd65+1280];
	setp.le.s64 	%p3, %rd66, %rd91;
	add.s64 	%rd67, %rd63, -1;
	selp.b64 	%rd94, %rd63, %rd94, %p3;
	selp.b64 	%rd92, %rd92, %rd67, %p3;
	setp.lt.s64 	%p4, %rd94, %rd92;
	@%p4 bra 	$L__BB9_4;
$L__BB9_5:
	setp.ge.s64 	%p5, %rd94, %rd3;
	@%p5 bra 	$L__BB9_20;
$L__BB9_6:
	.pragma "nounroll";
	shl.b64 	%rd68, %rd94, 3;
	add.s64 	%rd69, %rd48, %rd68;
	add.s64 	%rd21, %rd69, 1280;
	ld.param.u64 	%rd22, [%rd69+1280];
	setp.ge.s64 	%p6, %rd22, %rd14;
	@%p6 bra 	$L__BB9_20;
	setp.le.s64 	%p7, %rd22, %rd91;
	mov.u64 	%rd96, %rd91;
	@%p7 bra 	$L__BB9_9;
	mov.u64 	%rd96, %rd22;
$L__BB9_9:
	ld.param.u64 	%rd70, [%rd21+1280];
	ld.param.u64 	%rd24, [%rd21];
	add.s64 	%rd71, %rd70, %rd24;
	min.s64 	%rd72, %rd71, %rd14;
	sub.s64 	%rd25, %rd72, %rd96;
	setp.lt.s64 	%p8, %rd25, 1;
	@%p8 bra 	$L__BB9_19;
	ld.param.u64 	%rd26, [%rd21+-1280];
	mov.u64 	%rd100, 0;
	cvta.to.global.u64 	%rd27, %rd26;
	sub.s64 	%rd28, %rd96, %rd24;
	shl.b64 	%rd74, %rd96, 3;
	add.s64 	%rd75, %rd47, %rd74;
	and.b64  	%rd76, %rd75, 15;
	setp.ne.s64 	%p9, %rd76, 0;
	@%p9 bra 	$L__BB9_16;
	shl.b64 	%rd78, %rd28, 3;
	add.s64 	%rd79, %rd26, %rd78;
	and.b64  	%rd80, %rd79, 15;
	setp.ne.s64 	%p10, %rd80, 0;
	@%p10 bra 	$L__BB9_16;
	shr.u64 	%rd29, %rd25, 1;
	setp.le.u64 	%p11, %rd29, %rd7;
	@%p11 bra 	$L__BB9_15;
	add.s64 	%rd82, %rd27, %rd56;
	add.s64 	%rd98, %rd82, %rd78;
	add.s64 	%rd97, %rd11, %rd74;
	mov.u64 	%rd99, %rd7;
$L__BB9_14:
	.pragma "nounroll";
	ld.global.v4.u32 	{%r5, %r6, %r7, %r8}, [%rd97];
	st.global.v4.u32 	[%rd98], {%r5, %r6, %r7, %r8};
	add.s64 	%rd98, %rd98, %rd10;
	add.s64 	%rd97, %rd97, %rd10;
	add.s64 	%rd99, %rd99, %rd8;
	setp.lt.u64 	%p12, %rd99, %rd29;
	@%p12 bra 	$L__BB9_14;
$L__BB9_15:
	and.b64  	%rd100, %rd25, -2;
$L__BB9_16:
	add.s64 	%rd101, %rd100, %rd7;
	setp.ge.s64 	%p13, %rd101, %rd25;
	shl.b64 	%rd85, %rd28, 3;
	add.s64 	%rd41, %rd27, %rd85;
	@%p13 bra 	$L__BB9_19;
	add.s64 	%rd42, %rd2, %rd74;
$L__BB9_18:
	.pragma "nounroll";
	shl.b64 	%rd87, %rd101, 3;
	add.s64 	%rd88, %rd42, %rd87;
	ld.global.u64 	%rd89, [%rd88];
	add.s64 	%rd90, %rd41, %rd87;
	st.global.u64 	[%rd90], %rd89;
	add.s64 	%rd101, %rd101, %rd8;
	setp.lt.s64 	%p14, %rd101, %rd25;
	@%p14 bra 	$L__BB9_18;
$L__BB9_19:
	add.s64 	%rd94, %rd94, 1;
	setp.lt.s64 	%p15, %rd94, %rd3;
	@%p15 bra 	$L__BB9_6;
$L__BB9_20:
	add.s64 	%rd91, %rd91, %rd12;
	setp.lt.s64 	%p16, %rd91, %rd5;
	@%p16 bra 	$L__BB9_2;
$L__BB9_21:
	ret;
}
.visible .entry ddl_divide_i32(
	.param .align 8 .b8 ddl_divide_i32_param_0[3848],
	.param .u32 ddl_divide_i32_param_1
)
{
	.reg .pred 	%p<20>;
	.reg .b32 	%r<10>;
	.reg .b64 	%rd<86>;
	mov.b64 	%rd41, ddl_divide_i32_param_0;
	ld.param.u32 	%r1, [ddl_divide_i32_param_1];
	add.s64 	%rd2, %rd41, 3840;
	ld.param.u64 	%rd3, [ddl_divide_i32_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd42, %rd3, 3;
	add.s64 	%rd43, %rd41, 1280;
	add.s64 	%rd44, %rd43, %rd42;
	ld.param.u64 	%rd45, [%rd44+1272];
	ld.param.u64 	%rd46, [%rd44+-8];
	add.s64 	%rd5, %rd45, %rd46;
	mov.u32 	%r2, %nctaid.x;
	mul.wide.u32 	%rd6, %r2, 4096;
	mov.u32 	%r3, %ctaid.x;
	mul.wide.u32 	%rd47, %r3, 4096;
	ld.param.u64 	%rd48, [ddl_divide_i32_param_0+1280];
	add.s64 	%rd76, %rd48, %rd47;
	setp.ge.s64 	%p1, %rd76, %rd5;
	@%p1 bra 	$L__BB10_24;
	setp.gt.s64 	%p2, %rd3, 1;
	mov.u32 	%r4, %tid.x;
	cvt.u64.u32 	%rd8, %r4;
	mov.u32 	%r5, %ntid.x;
	cvt.u64.u32 	%rd9, %r5;
	@%p2 bra 	$L__BB10_11;
	bra.uni 	$L__BB10_2;
$L__BB10_11:
	shl.b64 	%rd21, %rd9, 2;
$L__BB10_12:
	.pragma "nounroll";
	add.s64 	%rd23, %rd76, 4096;
	mov.u64 	%rd82, 0;
	mov.u64 	%rd80, %rd4;
$L__BB10_13:
	.pragma "nounroll";
	add.s64 	%rd57, %rd82, %rd80;
	add.s64 	%rd58, %rd57, 1;
	shr.u64 	%rd59, %rd58, 63;
	add.s64 	%rd60, %rd58, %rd59;
	shr.s64 	%rd61, %rd60, 1;
	shl.b64 	%rd62, %rd61, 3;
	add.s64 	%rd63, %rd41, %rd62;
	ld.param.u64 	%rd64, [%rd63+1280];
	setp.le.s64 	%p10, %rd64, %rd76;
	add.s64 	%rd65, %rd61, -1;
	selp.b64 	%rd82, %rd61, %rd82, %p10;
	selp.b64 	%rd80, %rd80, %rd65, %p10;
	setp.lt.s64 	%p11, %rd82, %rd80;
	@%p11 bra 	$L__BB10_13;
	setp.ge.s64 	%p12, %rd82, %rd3;
	@%p12 bra 	$L__BB10_23;
$L__BB10_15:
	.pragma "nounroll";
	shl.b64 	%rd66, %rd82, 3;
	add.s64 	%rd67, %rd41, %rd66;
	add.s64 	%rd29, %rd67, 1280;
	ld.param.u64 	%rd30, [%rd67+1280];
	setp.ge.s64 	%p13, %rd30, %rd23;
	@%p13 bra 	$L__BB10_23;
	setp.le.s64 	%p14, %rd30, %rd76;
	mov.u64 	%rd83, %rd76;
	@%p14 bra 	$L__BB10_18;
	mov.u64 	%rd83, %rd30;
$L__BB10_18:
	ld.param.u64 	%rd68, [%rd29+1280];
	ld.param.u64 	%rd32, [%rd29];
	add.s64 	%rd69, %rd68, %rd32;
	min.s64 	%rd70, %rd69, %rd23;
	sub.s64 	%rd33, %rd70, %rd83;
	setp.lt.s64 	%p15, %rd33, 1;
	@%p15 bra 	$L__BB10_22;
	setp.le.s64 	%p16, %rd33, %rd8;
	@%p16 bra 	$L__BB10_22;
	ld.param.u64 	%rd71, [%rd29+-1280];
	add.s64 	%rd72, %rd8, %rd83;
	sub.s64 	%rd73, %rd72, %rd32;
	cvta.to.global.u64 	%rd74, %rd71;
	shl.b64 	%rd75, %rd73, 2;
	add.s64 	%rd84, %rd74, %rd75;
	mov.u64 	%rd85, %rd8;
$L__BB10_21:
	.pragma "nounroll";
	ld.global.u32 	%r8, [%rd84];
	div.s32 	%r9, %r8, %r1;
	st.global.u32 	[%rd84], %r9;
	add.s64 	%rd84, %rd84, %rd21;
	add.s64 	%rd85, %rd85, %rd9;
	setp.lt.s64 	%p17, %rd85, %rd33;
	@%p17 bra 	$L__BB10_21;
$L__BB10_22:
	add.s64 	%rd82, %rd82, 1;
	setp.lt.s64 	%p18, %rd82, %rd3;
	@%p18 bra 	$L__BB10_15;
$L__BB10_23:
	add.s64 	%rd76, %rd76, %rd6;
	setp.lt.s64 	%p19, %rd76, %rd5;
	@%p19 bra 	$L__BB10_12;
	bra.uni 	$L__BB10_24;
$L__BB10_2:
	.pragma "nounroll";
	add.s64 	%rd11, %rd76, 4096;
	setp.ne.s64 	%p3, %rd3, 1;
	@%p3 bra 	$L__BB10_10;
	ld.param.u64 	%rd12, [%rd2+-2560];
	setp.ge.s64 	%p4, %rd12, %rd11;
	@%p4 bra 	$L__BB10_10;
	setp.le.s64 	%p5, %rd12, %rd76;
	mov.u64 	%rd77, %rd76;
	@%p5 bra 	$L__BB10_6;
	mov.u64 	%rd77, %rd12;
$L__BB10_6:
	ld.param.u64 	%rd49, [%rd2+-1280];
	ld.param.u64 	%rd14, [%rd2+-2560];
	add.s64 	%rd50, %rd49, %rd14;
	min.s64 	%rd51, %rd50, %rd11;
	sub.s64 	%rd15, %rd51, %rd77;
	setp.lt.s64 	%p6, %rd15, 1;
	@%p6 bra 	$L__BB10_10;
	sub.s64 	%rd16, %rd77, %rd14;
	setp.le.s64 	%p7, %rd15, %rd8;
	@%p7 bra 	$L__BB10_10;
	ld.param.u64 	%rd52, [%rd2+-3840];
	cvta.to.global.u64 	%rd17, %rd52;
	mov.u64 	%rd78, %rd8;
$L__BB10_9:
	.pragma "nounroll";
	add.s64 	%rd53, %rd16, %rd78;
	shl.b64 	%rd54, %rd53, 2;
	add.s64 	%rd55, %rd17, %rd54;
	ld.global.u32 	%r6, [%rd55];
	div.s32 	%r7, %r6, %r1;
	st.global.u32 	[%rd55], %r7;
	add.s64 	%rd78, %rd78, %rd9;
	setp.lt.s64 	%p8, %rd78, %rd15;
	@%p8 bra 	$L__BB10_9;
$L__BB10_10:
	add.s64 	%rd76, %rd76, %rd6;
	setp.lt.s64 	%p9, %rd76, %rd5;
	@%p9 bra 	$L__BB10_2;
$L__BB10_24:
	ret;
}
.visible .entry ddl_divide_i64(
	.param .align 8 .b8 ddl_divide_i64_param_0[3848],
	.param .u64 ddl_divide_i64_param_1
)
{
	.reg .pred 	%p<22>;
	.reg .b32 	%r<11>;
	.reg .b64 	%rd<101>;
	mov.b64 	%rd51, ddl_divide_i64_param_0;
	ld.param.u64 	%rd50, [ddl_divide_i64_param_1];
	add.s64 	%rd2, %rd51, 3840;
	ld.param.u64 	%rd3, [ddl_divide_i64_param_0+3840];
	add.s64 	%rd4, %rd3, -1;
	shl.b64 	%rd52, %rd3, 3;
	add.s64 	%rd53, %rd51, 1280;
	add.s64 	%rd54, %rd53, %rd52;
	ld.param.u64 	%rd55, [%rd54+1272];
	ld.param.u64 	%rd56, [%rd54+-8];
	add.s64 	%rd5, %rd55, %rd56;
	mov.u32 	%r1, %nctaid.x;
	mul.wide.u32 	%rd6, %r1, 4096;
	mov.u32 	%r2, %ctaid.x;
	mul.wide.u32 	%rd57, %r2, 4096;
	ld.param.u64 	%rd58, [ddl_divide_i64_param_0+1280];
	add.s64 	%rd89, %rd58, %rd57;
	setp.ge.s64 	%p1, %rd89, %rd5;
	@%p1 bra 	$L__BB11_30;
	setp.gt.s64 	%p2, %rd3, 1;
	mov.u32 	%r3, %tid.x;
	cvt.u64.u32 	%rd8, %r3;
	mov.u32 	%r4, %ntid.x;
	cvt.u64.u32 	%rd9, %r4;
	@%p2 bra 	$L__BB11_14;
	bra.uni 	$L__BB11_2;
$L__BB11_14:
	shl.b64 	%rd26, %rd9, 3;
	cvt.u32.u64 	%r8, %rd50;
$L__BB11_15:
	.pragma "nounroll";
	add.s64 	%rd28, %rd89, 4096;
	mov.u64 	%rd96, 0;
	mov.u64 	%rd94, %rd4;
$L__BB11_16:
	.pragma "nounroll";
	add.s64 	%rd68, %rd96, %rd94;
	add.s64 	%rd69, %rd68, 1;
	shr.u64 	%rd70, %rd69, 63;
	add.s64 	%rd71, %rd69, %rd70;
	shr.s64 	%rd72, %rd71, 1;
	shl.b64 	%rd73, %rd72, 3;
	add.s64 	%rd74, %rd51, %rd73;
	ld.param.u64 	%rd75, [%rd74+1280];
	setp.le.s64 	%p11, %rd75, %rd89;
	add.s64 	%rd76, %rd72, -1;
	selp.b64 	%rd96, %rd72, %rd96, %p11;
	selp.b64 	%rd94, %rd94, %rd76, %p11;
	setp.lt.s64 	%p12, %rd96, %rd94;
	@%p12 bra 	$L__BB11_16;
	setp.ge.s64 	%p13, %rd96, %rd3;
	@%p13 bra 	$L__BB11_29;
$L__BB11_18:
	.pragma "nounroll";
	shl.b64 	%rd77, %rd96, 3;
	add.s64 	%rd78, %rd51, %rd77;
	add.s64 	%rd34, %rd78, 1280;
	ld.param.u64 	%rd35, [%rd78+1280];
	setp.ge.s64 	%p14, %rd35, %rd28;
	@%p14 bra 	$L__BB11_29;
	setp.le.s64 	%p15, %rd35, %rd89;
	mov.u64 	%rd97, %rd89;
	@%p15 bra 	$L__BB11_21;
	mov.u64 	%rd97, %rd35;
$L__BB11_21:
	ld.param.u64 	%rd79, [%rd34+1280];
	ld.param.u64 	%rd37, [%rd34];
	add.s64 	%rd80, %rd79, %rd37;
	min.s64 	%rd81, %rd80, %rd28;
	sub.s64 	%rd38, %rd81, %rd97;
	setp.lt.s64 	%p16, %rd38, 1;
	@%p16 bra 	$L__BB11_28;
	setp.le.s64 	%p17, %rd38, %rd8;
	@%p17 bra 	$L__BB11_28;
	ld.param.u64 	%rd82, [%rd34+-1280];
	add.s64 	%rd83, %rd8, %rd97;
	sub.s64 	%rd84, %rd83, %rd37;
	cvta.to.global.u64 	%rd85, %rd82;
	shl.b64 	%rd86, %rd84, 3;
	add.s64 	%rd98, %rd85, %rd86;
	mov.u64 	%rd99, %rd8;
$L__BB11_24:
	.pragma "nounroll";
	ld.global.u64 	%rd42, [%rd98];
	or.b64  	%rd87, %rd42, %rd50;
	and.b64  	%rd88, %rd87, -4294967296;
	setp.eq.s64 	%p18, %rd88, 0;
	@%p18 bra 	$L__BB11_26;
	div.s64 	%rd100, %rd42, %rd50;
	bra.uni 	$L__BB11_27;
$L__BB11_26:
	cvt.u32.u64 	%r9, %rd42;
	div.u32 	%r10, %r9, %r8;
	cvt.u64.u32 	%rd100, %r10;
$L__BB11_27:
	st.global.u64 	[%rd98], %rd100;
	add.s64 	%rd98, %rd98, %rd26;
	add.s64 	%rd99, %rd99, %rd9;
	setp.lt.s64 	%p19, %rd99, %rd38;
	@%p19 bra 	$L__BB11_24;
$L__BB11_28:
	add.s64 	%rd96, %rd96, 1;
	setp.lt.s64 	%p20, %rd96, %rd3;
	@%p20 bra 	$L__BB11_18;
$L__BB11_29:
	add.s64 	%rd89, %rd89, %rd6;
	setp.lt.s64 	%p21, %rd89, %rd5;
	@%p21 bra 	$L__BB11_15;
	bra.uni 	$L__BB11_30;
$L__BB11_2:
	cvt.u32.u64 	%r5, %rd50;
$L__BB11_3:
	.pragma "nounroll";
	add.s64 	%rd11, %rd89, 4096;
	setp.ne.s64 	%p3, %rd3, 1;
	@%p3 bra 	$L__BB11_13;
	ld.param.u64 	%rd12, [%rd2+-2560];
	setp.ge.s64 	%p4, %rd12, %rd11;
	@%p4 bra 	$L__BB11_13;
	setp.le.s64 	%p5, %rd12, %rd89;
	mov.u64 	%rd90, %rd89;
	@%p5 bra 	$L__BB11_7;
	mov.u64 	%rd90, %rd12;
$L__BB11_7:
	ld.param.u64 	%rd59, [%rd2+-1280];
	ld.param.u64 	%rd14, [%rd2+-2560];
	add.s64 	%rd60, %rd59, %rd14;
	min.s64 	%rd61, %rd60, %rd11;
	sub.s64 	%rd15, %rd61, %rd90;
	setp.lt.s64 	%p6, %rd15, 1;
	@%p6 bra 	$L__BB11_13;
	ld.param.u64 	%rd62, [%rd2+-3840];
	cvta.to.global.u64 	%rd16, %rd62;
	sub.s64 	%rd17, %rd90, %rd14;
	setp.le.s64 	%p7, %rd15, %rd8;
	mov.u64 	%rd91, %rd8;
	@%p7 bra 	$L__BB11_13;
$L__BB11_9:
	.pragma "nounroll";
	add.s64 	%rd63, %rd17, %rd91;
	shl.b64 	%rd64, %rd63, 3;
	add.s64 	%rd19, %rd16, %rd64;
	ld.global.u64 	%rd20, [%rd19];
	or.b64  	%rd65, %rd20, %rd50;
	and.b64  	%rd66, %rd65, -4294967296;
	setp.eq.s64 	%p8, %rd66, 0;
	@%p8 bra 	$L__BB11_11;
	div.s64 	%rd92, %rd20, %rd50;
	bra.uni 	$L__BB11_12;
$L__BB11_11:
	cvt.u32.u64 	%r6, %rd20;
	div.u32 	%r7, %r6, %r5;
	cvt.u64.u32 	%rd92, %r7;
$L__BB11_12:
	st.global.u64 	[%rd19], %rd92;
	add.s64 	%rd91, %rd91, %rd9;
	setp.lt.s64 	%p9, %rd91, %rd15;
	@%p9 bra 	$L__BB11_9;
$L__BB11_13:
	add.s64 	%rd89, %rd89, %rd6;
	setp.lt.s64 	%p10, %rd89, %rd5;
	@%p10 bra 	$L__BB11_3;
$L__BB11_30:
	ret;
}
.visible .entry ddl_busy(
	.param .u64 ddl_busy_param_0,
	.param .u64 ddl_busy_param_1,
	.param .u32 ddl_busy_param_2
)
{
	.reg .pred 	%p<5>;
	.reg .f32 	%f<5>;
	.reg .b32 	%r<10>;
	.reg .b64 	%rd<15>;
	ld.param.u64 	%rd8, [ddl_busy_param_0];
	ld.param.u64 	%rd9, [ddl_busy_param_1];
	ld.param.u32 	%r3, [ddl_busy_param_2];
	mov.u32 	%r4, %ctaid.x;
	mov.u32 	%r5, %ntid.x;
	cvt.u64.u32 	%rd1, %r5;
	mul.wide.u32 	%rd10, %r4, %r5;
	mov.u32 	%r6, %tid.x;
	cvt.u64.u32 	%rd11, %r6;
	add.s64 	%rd14, %rd10, %rd11;
	setp.ge.s64 	%p1, %rd14, %rd9;
	@%p1 bra 	$L__BB12_6;
	setp.lt.s32 	%p2, %r3, 1;
	@%p2 bra 	$L__BB12_6;
	cvta.to.global.u64 	%rd3, %rd8;
	mov.u32 	%r7, %nctaid.x;
	cvt.u64.u32 	%rd12, %r7;
	mul.lo.s64 	%rd4, %rd12, %rd1;
$L__BB12_3:
	.pragma "nounroll";
	shl.b64 	%rd13, %rd14, 2;
	add.s64 	%rd6, %rd3, %rd13;
	ld.global.f32 	%f4, [%rd6];
	mov.u32 	%r9, 0;
$L__BB12_4:
	.pragma "nounroll";
	fma.rn.f32 	%f4, %f4, 0f3F7FBE77, 0f3A83126F;
	add.s32 	%r9, %r9, 1;
	setp.lt.s32 	%p3, %r9, %r3;
	@%p3 bra 	$L__BB12_4;
	st.global.f32 	[%rd6], %f4;
	add.s64 	%rd14, %rd14, %rd4;
	setp.lt.s64 	%p4, %rd14, %rd9;
	@%p4 bra 	$L__BB12_3;
$L__BB12_6:
	ret;
}
)PTX";

}  // namespace tf_ddl
